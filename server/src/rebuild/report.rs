//! What a rebuild found and what is missing, as it is printed at its end. Pure.

use std::{collections::BTreeSet, fmt};

use pixelfox_proto::NodeId;

use super::Ask;
use crate::catalog::{Pool, RebuildRule, TakenIn};

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Nodes that came.
    pub nodes: BTreeSet<NodeId>,
    /// Nodes that were waited for and did not.
    pub absent: BTreeSet<NodeId>,
    /// Pools that came into the books.
    pub new_pools: u64,
    /// All pools together.
    pub taken: TakenIn,
    /// A line for each pool.
    pools: Vec<String>,
    /// Pools and nodes of which something is missing, and why.
    missing: Vec<String>,
    /// What was not looked through, and is no fault.
    notes: Vec<String>,
    /// Nodes that were asked for; empty: all of them.
    judged: BTreeSet<NodeId>,
}

impl Report {
    /// One that is whole without the nodes that `ask` does not name. Books that are made anew are to have all that is
    /// known of.
    pub(super) fn of(ask: &Ask) -> Self {
        let judged = if ask.rule == RebuildRule::Anew { BTreeSet::new() } else { ask.nodes.clone() };
        Self { judged, ..Self::default() }
    }

    /// A pool that was not looked through.
    pub(super) fn missing(&mut self, pool: &Pool, why: &str) {
        self.missing_of(&pool.node, format!("pool {} ({}) of node {}: {why}", pool.name, pool.id, pool.node));
    }

    /// Something else of a node that was not.
    pub(super) fn missing_of(&mut self, node: &NodeId, what: String) {
        let is_judged = self.judged.is_empty() || self.judged.contains(node);
        if is_judged { self.missing.push(what) } else { self.notes.push(what) }
    }

    /// Something that was not looked through, and need not be.
    pub(super) fn note(&mut self, what: String) {
        self.notes.push(what);
    }

    /// A pool that was, to its end or to what ended it.
    pub(super) fn looked_through(&mut self, pool: &Pool, (taken, broke): (TakenIn, Option<String>)) {
        let TakenIn { images, bytes, known, unowned, .. } = taken;
        self.pools.push(format!(
            "pool {} ({}) of node {}: {images} images taken in, {bytes} bytes; {known} known, {unowned} files without a record",
            pool.name, pool.id, pool.node
        ));
        if let Some(why) = broke {
            self.missing(pool, &why);
        }
        self.taken.add(taken);
    }

    /// Whether everything that was asked for was looked through.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.absent.is_empty() && self.missing.is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let TakenIn { images, bytes, suspect, old_copies, moved, left, left_total, .. } = &self.taken;
        let names = |nodes: &BTreeSet<NodeId>| nodes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        writeln!(f, "Nodes: {}.", names(&self.nodes))?;
        for pool in &self.pools {
            writeln!(f, "  {pool}")?;
        }
        writeln!(f, "Found: {images} images, {bytes} bytes, in {} new pools.", self.new_pools)?;
        if *suspect > 0 {
            writeln!(f, "Of these {suspect} have bytes that are not those of their mark: see `server ctl images`.")?;
        }
        if *old_copies > 0 {
            writeln!(f, "Old copies of images that are in another pool too: {old_copies}. They go to the trash.")?;
        }
        if *moved > 0 {
            writeln!(f, "In another pool than the books said: {moved} images. The books have them there now.")?;
        }
        if *left_total > 0 {
            writeln!(f, "Left as they are: {left_total} files.")?;
            for why in left {
                writeln!(f, "  {why}")?;
            }
        }
        if !self.absent.is_empty() {
            writeln!(f, "Did not come: {}.", names(&self.absent))?;
        }
        for note in &self.notes {
            writeln!(f, "Note: {note}")?;
        }
        for missing in &self.missing {
            writeln!(f, "Missing: {missing}")?;
        }
        if self.is_whole() {
            write!(f, "All of it was looked through.")
        } else {
            write!(f, "What is missing is taken in by `server rebuild --add` once it is there.")
        }
    }
}
