//! `write`: can a file be written into the pool, made durable, read back and removed?

use crate::catalog::Pool;
use crate::diagnose::finding::{Check, Finding};
use crate::diagnose::seen::pool_subject;
use crate::sessions::{PoolHealth, Trouble};

/// By what the pool's node has just tried. Its table stands in `base_path`.
#[must_use]
pub(crate) fn judge(pool: &Pool, health: &PoolHealth) -> Finding {
    let (subject, path, node) = (pool_subject(pool), &pool.base_path, &pool.node);
    match (&health.problem, health.trouble) {
        (Some(problem), Some(Trouble::NotWritable)) => {
            let advice = format!(
                "Make {path} on node {node} writable for the user that node-agent runs as (chown -R, a mount without \
                 `ro`), and look into its system log for errors of the disk"
            );
            Finding::failed(subject, Check::Write, problem.clone(), advice)
        }
        (None, _) | (Some(_), Some(Trouble::Full)) => {
            let message = format!("node {node} has written, synced, read back and removed a file");
            let message = if health.problem.is_none() {
                message
            } else {
                format!("node {node} could write but for want of room")
            };
            Finding::ok(subject, Check::Write, message)
        }
        (Some(_), _) => Finding::ok(
            subject,
            Check::Write,
            format!("not tried on node {node}: see its line `base_path` or `same_directory`"),
        ),
    }
}

/// Of a pool whose node does not come back from its disk.
#[must_use]
pub(crate) fn hangs(pool: &Pool, why: &str) -> Finding {
    let advice = format!(
        "Look into the system log of node {} for errors of the disk of {}; a network file system may have lost its server",
        pool.node, pool.base_path
    );
    Finding::failed(pool_subject(pool), Check::Write, why, advice)
}
