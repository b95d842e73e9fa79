//! What the engine is compared with, and a database server of the bench's own.

pub(crate) mod bare;
pub(crate) mod books;
pub(crate) mod cluster;
