//! The file systems that pools are on, each once, however many pools share it. Pure.

use pixelfox_proto::v1;

use crate::{
    fill::Level,
    words::{Units, fill},
};

/// Names that are said of many.
const NAMED: usize = 4;

/// A file system and who is on it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Disk<'a> {
    /// At least one, in the order of the list.
    pub(crate) pools: Vec<&'a v1::Pool>,
}

/// Every file system of which something is known.
pub(crate) fn disks(pools: &[v1::Pool]) -> Vec<Disk<'_>> {
    let mut disks: Vec<Disk<'_>> = Vec::new();
    for pool in pools.iter().filter(|pool| pool.filesystem_total > 0) {
        match disks.iter_mut().find(|disk| are_one(disk.pools[0], pool)) {
            Some(disk) => disk.pools.push(pool),
            None => disks.push(Disk { pools: vec![pool] }),
        }
    }
    disks
}

/// Names of the other pools that share the disk of `pool`.
pub(crate) fn beside<'a>(pool: &v1::Pool, pools: &'a [v1::Pool]) -> Vec<&'a str> {
    let others = pools.iter().filter(|other| other.id != pool.id && are_one(pool, other));
    others.map(|other| other.name.as_str()).collect()
}

/// Bytes free on all of them.
pub(crate) fn free(disks: &[Disk<'_>]) -> u64 {
    disks.iter().fold(0, |sum, disk| sum.saturating_add(disk.free()))
}

/// `img1, img2`; of many the first ones and how many more there are.
pub(crate) fn few(names: &[&str], units: &Units) -> String {
    let first = names[..names.len().min(NAMED)].join(", ");
    match names.len().saturating_sub(NAMED) {
        0 => first,
        more => fill(units.and_more, &[("names", &first), ("n", &more.to_string())]),
    }
}

fn are_one(one: &v1::Pool, other: &v1::Pool) -> bool {
    one.filesystem_id != 0 && one.filesystem_id == other.filesystem_id
}

impl Disk<'_> {
    /// As its pools were told last: the least of what they say.
    pub(crate) fn free(&self) -> u64 {
        self.pools.iter().map(|pool| pool.filesystem_free).min().unwrap_or(0)
    }

    pub(crate) fn level(&self) -> Level {
        let total = self.pools[0].filesystem_total;
        Level::of(total.saturating_sub(self.free()), total)
    }

    /// Of its pools.
    pub(crate) fn names(&self) -> Vec<&str> {
        self.pools.iter().map(|pool| pool.name.as_str()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_counted_once_whoever_is_on_it() {
        // Two pools on disk 7, of two nodes; one on disk 8; two of which it is not known; one that says nothing.
        let pool = |id, filesystem_id, filesystem_total, filesystem_free| v1::Pool {
            id,
            name: format!("img{id}"),
            filesystem_id,
            filesystem_total,
            filesystem_free,
            ..v1::Pool::default()
        };
        let pools = [
            pool(1, 7, 1000, 100),
            pool(2, 8, 1000, 500),
            pool(3, 7, 1000, 99),
            pool(4, 0, 10, 5),
            pool(5, 0, 10, 5),
            pool(6, 0, 0, 0),
        ];
        let found = disks(&pools);
        let units = &crate::words::of(pixelfox_proto::Language::De).units;
        let named: Vec<String> = found.iter().map(|disk| few(&disk.names(), units)).collect();
        assert_eq!(named, ["img1, img3", "img2", "img4", "img5"]);
        assert_eq!(few(&["a", "b", "c", "d", "e", "f"], units), "a, b, c, d und 2 weitere");
        assert_eq!(free(&found), 99 + 500 + 5 + 5);
        assert_eq!((found[0].level(), found[1].level()), (Level::Tight, Level::Roomy));
        assert_eq!((beside(&pools[0], &pools), beside(&pools[3], &pools)), (vec!["img3"], vec![]));
    }
}
