//! Which copies a node reads next, and how long it rests after that: a chore must not take the disk from those who look
//! at pictures. Pure.

use pixelfox_proto::PoolId;

use crate::catalog::{CheckOrder, CheckView, UnixMillis};

/// Files of one order at most. A node has one order at a time.
pub const FILES_PER_CHECK: u32 = 256;
/// Bytes of one order, but for a larger file, which is an order of its own.
const BYTES_PER_CHECK: u64 = 256 << 20;
/// A node rests as long as its order took, and so many milliseconds at least.
const LEAST_REST_MILLIS: i64 = 1_000;

/// What a node that reads nothing now does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextCheck {
    /// It reads copies of this pool.
    Now(PoolId),
    /// Nothing before this.
    Later(UnixMillis),
    /// Nothing until somebody says so.
    Never,
}

/// Where copies have been due for the longest, those that a person waits for first: these also while the node rests.
#[must_use]
pub fn next_check(pools: &[CheckView], rested: UnixMillis, now: UnixMillis) -> NextCheck {
    let Some(first) = pools.iter().min_by_key(|view| (view.next, view.pool)) else { return NextCheck::Never };
    match first.next {
        UnixMillis(0) => NextCheck::Now(first.pool),
        next if next.max(rested) <= now => NextCheck::Now(first.pool),
        next => NextCheck::Later(next.max(rested)),
    }
}

/// When a node whose order began and ended then has rested: half of its time at most goes into checks.
#[must_use]
pub fn rested_at(began: UnixMillis, ended: UnixMillis) -> UnixMillis {
    let took = ended.0.saturating_sub(began.0).max(LEAST_REST_MILLIS);
    UnixMillis(ended.0.saturating_add(took))
}

/// As many of these copies, in their order, as one order has; at least one.
#[must_use]
pub fn one_check(mut due: Vec<CheckOrder>) -> Vec<CheckOrder> {
    let mut bytes = 0_u64;
    let fits = |order: &CheckOrder| {
        bytes = bytes.saturating_add(order.size);
        bytes <= BYTES_PER_CHECK
    };
    let count = due.iter().map(fits).take_while(|fits| *fits).count();
    due.truncate(count.max(1));
    due
}

#[cfg(test)]
mod tests {
    use pixelfox_proto::{Generation, Sha256};

    use super::*;

    fn pool(number: u64) -> PoolId {
        PoolId::try_from(number).unwrap()
    }

    #[test]
    fn what_a_node_reads_next() {
        // Pools with the time of their first copy, until when the node rests, and what follows at 100.
        let view = |(number, next)| CheckView { pool: pool(number), next: UnixMillis(next) };
        for (why, pools, rested, want) in [
            ("nothing is due", &[][..], 0, NextCheck::Never),
            ("what has been due for the longest", &[(1, 90), (2, 80)], 0, NextCheck::Now(pool(2))),
            ("what a person waits for goes first", &[(1, 1), (2, 0)], 0, NextCheck::Now(pool(2))),
            ("and does not let the node rest", &[(1, 1), (2, 0)], 200, NextCheck::Now(pool(2))),
            ("a chore does", &[(1, 1), (2, 2)], 200, NextCheck::Later(UnixMillis(200))),
            ("a later try", &[(1, 300)], 200, NextCheck::Later(UnixMillis(300))),
            ("just rested", &[(1, 100)], 100, NextCheck::Now(pool(1))),
            ("alike: the first pool, whatever the order", &[(2, 5), (1, 5)], 0, NextCheck::Now(pool(1))),
        ] {
            let views: Vec<CheckView> = pools.iter().copied().map(view).collect();
            assert_eq!(next_check(&views, UnixMillis(rested), UnixMillis(100)), want, "{why}");
        }
    }

    #[test]
    fn a_node_rests_as_long_as_it_has_worked() {
        for (why, began, ended, want) in [
            ("long work", 10_000, 70_000, 130_000),
            ("short work", 10_000, 10_020, 11_020),
            ("a clock that was put back", 10_000, 9_000, 10_000),
        ] {
            assert_eq!(rested_at(UnixMillis(began), UnixMillis(ended)), UnixMillis(want), "{why}");
        }
    }

    #[test]
    fn an_order_has_few_bytes_or_one_file() {
        let order = |size: u64| CheckOrder {
            pool: pool(1),
            path: "original/a.jpg".parse().unwrap(),
            generation: Generation(1),
            size,
            sha256: Sha256::of(b""),
            failures: 0,
        };
        let most = BYTES_PER_CHECK;
        for (why, sizes, want) in [
            ("nothing", &[][..], 0),
            ("all that fit", &[most / 2, most / 2, 1], 2),
            ("a large one alone", &[most + 1, 1], 1),
            ("a large one later", &[1, most, 1], 1),
        ] {
            assert_eq!(one_check(sizes.iter().copied().map(order).collect()).len(), want, "{why}");
        }
    }
}
