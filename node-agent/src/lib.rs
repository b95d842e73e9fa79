//! A PixelFox storage node: it owns the disks, stores and serves the files and streams them to other nodes.

#[macro_use]
pub mod crash;

pub mod cli;
pub mod clock;
pub mod config;
pub mod console;
pub mod coordinator;
pub mod disk;
pub mod grpc;
pub mod http;
pub mod images;
pub mod intake;
pub mod listen;
pub mod metrics;
pub mod node;
pub mod peer;
pub mod plane;
pub mod pools;
pub mod proxies;
pub mod ranges;
pub mod rate;
pub mod receive;
pub mod secret;
pub mod send;
pub mod session;
pub mod state;
pub mod sys;
pub mod telemetry;
pub mod tls;
pub mod transfer;
pub mod whois;
pub mod work;
