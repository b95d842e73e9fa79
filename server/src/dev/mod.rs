//! `server dev`: a coordinator with its node and two storage nodes in one process, as real listeners that talk gRPC
//! over loopback. The whole-cluster tests start the same code.

mod cluster;
mod ports;
mod secrets;
mod table;

pub use self::{
    cluster::{Cluster, DevError, Spec},
    secrets::DevSecrets,
    table::table,
};
