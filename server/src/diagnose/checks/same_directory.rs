//! `same_directory`: has no other pool, by whatever name, link or mount, and no other process this pool's directory?

use pixelfox_proto::text;

use crate::catalog::Pool;
use crate::diagnose::finding::{Check, Finding};
use crate::diagnose::seen::pool_subject;
use crate::sessions::{PoolHealth, Trouble};

/// By what the pool's node has just found. Its table stands in `base_path`.
#[must_use]
pub(crate) fn judge(pool: &Pool, health: &PoolHealth) -> Finding {
    let (subject, node) = (pool_subject(pool), &pool.node);
    match &health.problem {
        Some(problem) if health.trouble == Some(Trouble::OtherPool) => {
            let said = text!(
                de "das Verzeichnis auf Knoten {node} gehört schon einem anderen Speicherpool ({problem})",
                en "{problem}"
            );
            let advice = text!(
                de "Jedem Speicherpool ein eigenes Verzeichnis geben (auf Knoten {node}: /app/uploads_{node}), jedes auf einer \
                 Platte oder einem Volume, das kein anderer Knoten einhängt",
                en "Give each pool a directory of its own (on node {node}: /app/uploads_{node}), each with a disk or volume \
                 that no other node mounts"
            );
            Finding::failed(subject, Check::SameDirectory, said, advice)
        }
        _ => Finding::ok(
            subject,
            Check::SameDirectory,
            text!(
                de "kein anderer Speicherpool hat es, weder auf Knoten {node} noch auf einem anderen",
                en "no other pool of node {node} or of another has it"
            ),
        ),
    }
}
