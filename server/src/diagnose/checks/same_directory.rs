//! `same_directory`: has no other pool, by whatever name, link or mount, and no other process this pool's directory?

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
            let advice = format!(
                "Give each pool a directory of its own (on node {node}: /app/uploads_{node}), each with a disk or volume \
                 that no other node mounts"
            );
            Finding::failed(subject, Check::SameDirectory, problem.clone(), advice)
        }
        _ => Finding::ok(subject, Check::SameDirectory, format!("no other pool of node {node} or of another has it")),
    }
}
