//! What the bench of live pages is made of.

pub(crate) mod marks;
pub(crate) mod tabs;
pub(crate) mod usage;
