//! `space`: has the pool room for files?

use pixelfox_node::config::show_size;

use pixelfox_proto::text;

use crate::catalog::Pool;
use crate::diagnose::finding::{Check, Finding};
use crate::diagnose::seen::pool_subject;
use crate::sessions::{PoolHealth, Trouble};

/// Less than one of so many parts left is a warning.
const SCARCE: u64 = 20;

/// By what its node has just seen; `free_bytes`: of the disk, above what every file system keeps free.
#[must_use]
pub(crate) fn judge(pool: &Pool, health: &PoolHealth, free_bytes: u64) -> Finding {
    let subject = pool_subject(pool);
    let (node, path) = (&pool.node, &pool.base_path);
    if health.problem.is_some() && health.trouble != Some(Trouble::Full) {
        return Finding::ok(
            subject,
            Check::Space,
            text!(
                de "auf Knoten {node} nicht angesehen: der Speicherpool arbeitet nicht",
                en "not looked at on node {node}: the pool does not work"
            ),
        );
    }
    let make_room = text!(
        de "Auf der Platte von {path} auf Knoten {node} Platz schaffen, Bilder in einen anderen Speicherpool verschieben, oder \
            alte Kopien kürzer aufbewahren",
        en "Make room on the disk of {path} on node {node}, move images to another pool, or shorten trash_hours"
    );
    if let (Some(problem), Some(Trouble::Full)) = (&health.problem, health.trouble) {
        let full = text!(de "voll ({problem})", en "{problem}");
        return Finding::failed(subject, Check::Space, full, make_room);
    }
    if pool.room() == Some(0) {
        let message = text!(
            de "voll: seine maximale Größe von {} ist ausgeschöpft",
            en "full: its max_size of {} is used up",
            show_size(pool.max_size)
        );
        let advice = text!(
            de "Die maximale Größe erhöhen, oder Bilder in einen anderen Speicherpool verschieben",
            en "Raise the pool's max_size, or move images to another pool"
        );
        return Finding::failed(subject, Check::Space, message, advice).about("max_size");
    }
    let (free, total) = (show_size(health.free_bytes), show_size(health.total_bytes));
    if free_bytes == 0 {
        let message = text!(
            de "voll: seine Platte hat {free} von {total} frei, und das bleibt frei (Reserve)",
            en "full: its disk has {free} of {total} free, and that is kept free (reserve_bytes)"
        );
        return Finding::failed(subject, Check::Space, message, make_room);
    }
    let limit = pool.room().map(|room| (room, pool.max_size, text!(de "seiner maximalen Größe", en "of its max_size")));
    let (room, of, what) = limit
        .into_iter()
        .chain([(free_bytes, health.total_bytes, text!(de "seiner Platte", en "of its disk"))])
        .min_by_key(|(room, ..)| *room)
        .expect("the disk at least");
    let (free, all) = (show_size(room), show_size(of));
    let message = text!(de "Platz für {free} {what} von {all}", en "room for {free} {what} of {all}", with what);
    if room < of / SCARCE {
        return Finding::warning(subject, Check::Space, message, make_room);
    }
    Finding::ok(subject, Check::Space, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::PoolUsage;
    use crate::diagnose::checks::tests::{assert_stands, ill, pool, well};
    use crate::diagnose::finding::Status;

    #[test]
    fn how_much_fits() {
        let limited = |max_size, used_bytes| Pool {
            max_size,
            usage: PoolUsage { used_bytes, ..PoolUsage::default() },
            ..pool("img1", "s01")
        };
        const GIB: u64 = 1 << 30;
        for (why, pool, health, free, status, word) in [
            ("plenty", limited(0, 0), well(), 50 * GIB, Status::Ok, "50 GiB of its disk"),
            ("the limit is nearer", limited(10 * GIB, GIB), well(), 50 * GIB, Status::Ok, "9 GiB of its max_size"),
            ("little left of the limit", limited(100 * GIB, 96 * GIB), well(), 50 * GIB, Status::Warning, "4 GiB"),
            ("little left of the disk", limited(0, 0), well(), 4 * GIB, Status::Warning, "4 GiB"),
            ("the limit is reached", limited(GIB, GIB), well(), 50 * GIB, Status::Failed, "Raise the pool's max_size"),
            ("only the reserve is left", limited(0, 0), well(), 0, Status::Failed, "reserve_bytes"),
            ("the disk says so", limited(0, 0), ill(Some(Trouble::Full)), 0, Status::Failed, "Make room"),
            ("another trouble", limited(0, 0), ill(Some(Trouble::NoMarker)), 0, Status::Ok, "does not work"),
        ] {
            assert_stands(&judge(&pool, &health, free), status, &[word], why);
        }
    }
}
