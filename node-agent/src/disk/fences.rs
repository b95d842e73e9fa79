//! What a delete leaves behind in memory, so that a late stream of an attempt that was given up never lands: the
//! highest generation that was deleted at a path. Bounded: the oldest fence that has to go raises the floor, below
//! which every lease is refused. Pure.

use std::collections::{HashMap, VecDeque};

use pixelfox_proto::{Attempt, Generation, Lease, StoredPath};

/// The fences of one pool.
#[derive(Debug)]
pub struct Fences {
    fences: HashMap<StoredPath, Fence>,
    /// Oldest first. A fence that was set again stands at the end once more; its earlier entries mean nothing.
    order: VecDeque<(u64, StoredPath)>,
    turn: u64,
    floor: Lease,
    highest_lease: Lease,
    most: usize,
}

#[derive(Clone, Copy, Debug)]
struct Fence {
    turn: u64,
    generation: Generation,
    lease: Lease,
}

impl Fences {
    /// How many a pool keeps. Source: ARCHITECTURE.md, "A move".
    pub const MOST: usize = 100_000;

    /// None yet; attempts leased at `floor` or before are refused.
    #[must_use]
    pub fn new(floor: Lease, most: usize) -> Self {
        Self { fences: HashMap::new(), order: VecDeque::new(), turn: 0, floor, highest_lease: floor, most }
    }

    /// Refuses attempts leased at `lease` or before, from now on.
    pub fn raise_floor(&mut self, lease: Lease) {
        self.floor = self.floor.max(lease);
        self.highest_lease = self.highest_lease.max(lease);
    }

    /// The highest lease that is refused whatever its path.
    #[must_use]
    pub const fn floor(&self) -> Lease {
        self.floor
    }

    /// Notes that an attempt was seen: a fence that is set without a lease stands for the highest one so far.
    pub fn saw(&mut self, lease: Lease) {
        self.highest_lease = self.highest_lease.max(lease);
    }

    /// A delete of `generation` at `path` was done. `lease`: of the attempt that it ends, where the command says so.
    pub fn set(&mut self, path: &StoredPath, generation: Generation, lease: Option<Lease>) {
        let lease = lease.unwrap_or(self.highest_lease);
        let before = self.fences.get(path).copied();
        self.turn += 1;
        let fence = Fence {
            turn: self.turn,
            generation: before.map_or(generation, |b| b.generation.max(generation)),
            lease: before.map_or(lease, |b| b.lease.max(lease)),
        };
        self.fences.insert(path.clone(), fence);
        self.order.push_back((self.turn, path.clone()));
        self.shrink();
    }

    /// Whether `attempt` may not put anything at `path` any more.
    #[must_use]
    pub fn refuses(&self, path: &StoredPath, attempt: &Attempt) -> bool {
        attempt.lease <= self.floor || self.fences.get(path).is_some_and(|f| attempt.generation <= f.generation)
    }

    /// The highest generation that was deleted at `path`, as far as it is remembered.
    #[must_use]
    pub fn deleted(&self, path: &StoredPath) -> Option<Generation> {
        self.fences.get(path).map(|fence| fence.generation)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.fences.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.fences.is_empty()
    }

    fn shrink(&mut self) {
        while self.fences.len() > self.most || self.order.len() > 2 * self.most {
            let Some((turn, path)) = self.order.pop_front() else { return };
            if let Some(fence) = self.fences.get(&path).filter(|fence| fence.turn == turn) {
                self.floor = self.floor.max(fence.lease);
                self.fences.remove(&path);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use pixelfox_proto::JobId;
    use proptest::prelude::*;

    use super::*;

    fn path(n: u64) -> StoredPath {
        format!("original/{n}").parse().unwrap()
    }

    fn attempt(lease: u64, generation: u64) -> Attempt {
        let job = JobId::try_from(1).unwrap();
        Attempt { lease: Lease(lease), job, attempt: 1, generation: Generation(generation) }
    }

    #[test]
    fn a_fence_refuses_its_generation_and_older_ones_on_its_path_alone() {
        let mut fences = Fences::new(Lease(5), 10);
        fences.set(&path(1), Generation(3), Some(Lease(9)));
        for (why, at, attempt, refused) in [
            ("the deleted generation", 1, attempt(10, 3), true),
            ("an older one", 1, attempt(10, 2), true),
            ("the next one", 1, attempt(10, 4), false),
            ("another path", 2, attempt(10, 3), false),
            ("leased at the floor", 2, attempt(5, 9), true),
            ("leased after the floor", 2, attempt(6, 9), false),
        ] {
            assert_eq!(fences.refuses(&path(at), &attempt), refused, "{why}");
        }
    }

    #[test]
    fn the_oldest_fence_goes_and_its_lease_becomes_the_floor() {
        let mut fences = Fences::new(Lease(0), 2);
        for n in 1..=3 {
            fences.saw(Lease(n * 10));
            fences.set(&path(n), Generation(1), None);
        }
        assert_eq!((fences.len(), fences.floor()), (2, Lease(10)));
        assert!(fences.refuses(&path(1), &attempt(10, 1)), "what its fence refused, the floor refuses");
    }

    proptest! {
        #[test]
        fn nothing_that_was_fenced_ever_lands(
            deletes in proptest::collection::vec((0u64..6, 1u64..5), 0..60), most in 1usize..5,
        ) {
            // Each delete ends an attempt that was leased at or before the highest lease seen; however many fences
            // have gone since, that attempt is refused.
            let mut fences = Fences::new(Lease(0), most);
            let mut ended = Vec::new();
            for (i, (at, generation)) in deletes.into_iter().enumerate() {
                let lease = i as u64 + 1;
                fences.saw(Lease(lease));
                fences.set(&path(at), Generation(generation), None);
                ended.push((at, attempt(lease, generation)));
                prop_assert!(fences.len() <= most && fences.order.len() <= 2 * most);
            }
            for (at, attempt) in ended {
                prop_assert!(fences.refuses(&path(at), &attempt));
            }
        }
    }
}
