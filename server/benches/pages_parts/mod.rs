//! What the bench of the pages is made of.

pub(crate) mod actions;
pub(crate) mod addresses;
pub(crate) mod attached;
pub(crate) mod fill;
pub(crate) mod site;

/// Each on a node of its own.
pub(crate) const POOLS: i64 = 50;
