//! What the bench of uploads compares with.

pub(crate) mod bare;
pub(crate) mod nginx;
