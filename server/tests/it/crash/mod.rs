//! Real processes that end where it hurts: at every crash point, over a bad network, on a bad disk. Afterwards the
//! checker looks at books and disks.

mod client;
mod cluster;
mod disks;
mod network;
mod points;
mod proxy;
mod returns;
mod story;
mod tampering;
