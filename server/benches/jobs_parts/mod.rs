//! What the engine is compared with, and a database server of the bench's own.

pub mod bare;
pub mod cluster;
