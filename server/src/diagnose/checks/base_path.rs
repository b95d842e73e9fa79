//! `base_path`: is the pool's directory there, where pools may be, and the pool's own?

use crate::catalog::Pool;
use crate::diagnose::finding::{Check, Finding};
use crate::diagnose::seen::pool_subject;
use crate::sessions::{PoolHealth, Trouble};

/// By what the pool's node has just found.
#[must_use]
pub(crate) fn judge(pool: &Pool, health: &PoolHealth) -> Finding {
    let (subject, path, node) = (pool_subject(pool), &pool.base_path, &pool.node);
    let problem = || health.problem.clone().unwrap_or_default();
    let advice = match health.trouble {
        _ if health.problem.is_none() => None,
        Some(Trouble::NoDirectory) => Some(format!(
            "Mount the disk of {path} on node {node} (in a container: is the directory among its volumes?), or correct \
             the pool's base_path"
        )),
        Some(Trouble::OutsideRoots) => Some(format!(
            "Choose a base_path below STORAGE_ROOTS of node {node}, or add its directory there and restart it"
        )),
        Some(Trouble::NoMarker) => Some(format!(
            "Mount the pool's disk at {path} on node {node}; where its data has moved, correct the pool's base_path"
        )),
        // An older node says no more than that something is wrong.
        None => Some(format!("See the log of node {node}, and put that right")),
        Some(Trouble::OtherPool | Trouble::NotWritable | Trouble::Full) => None,
    };
    match advice {
        Some(advice) => Finding::failed(subject, Check::BasePath, problem(), advice),
        None => Finding::ok(subject, Check::BasePath, format!("{path} on node {node} is there")),
    }
}

/// Of a pool whose node can't be asked.
#[must_use]
pub(crate) fn not_tried(pool: &Pool, why: &str) -> Finding {
    let advice = format!("Attach node {} first, then try again", pool.node);
    Finding::warning(pool_subject(pool), Check::BasePath, format!("not tried: {why}"), advice)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::checks::tests::{assert_stands, ill, pool, well};
    use crate::diagnose::checks::{same_directory, write};
    use crate::diagnose::finding::Status;

    #[test]
    fn each_trouble_turns_one_line_red() {
        // Of the three lines about a directory, exactly the one that the trouble belongs to.
        let pool = pool("img1", "s01");
        for (trouble, want) in [
            (Some(Trouble::NoDirectory), Check::BasePath),
            (Some(Trouble::OutsideRoots), Check::BasePath),
            (Some(Trouble::NoMarker), Check::BasePath),
            (None, Check::BasePath),
            (Some(Trouble::OtherPool), Check::SameDirectory),
            (Some(Trouble::NotWritable), Check::Write),
        ] {
            let health = ill(trouble);
            let lines = [judge(&pool, &health), same_directory::judge(&pool, &health), write::judge(&pool, &health)];
            let red: Vec<Check> =
                lines.iter().filter(|line| line.status == Status::Failed).map(|line| line.check).collect();
            assert_eq!(red, [want], "{trouble:?}");
            for line in &lines {
                let status = if line.check == want { Status::Failed } else { Status::Ok };
                assert_stands(line, status, &["s01"], &format!("{trouble:?}"));
            }
        }
        for line in [judge(&pool, &well()), same_directory::judge(&pool, &well()), write::judge(&pool, &well())] {
            assert_stands(&line, Status::Ok, &["s01"], "all is well");
        }
    }
}
