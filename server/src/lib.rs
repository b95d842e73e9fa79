//! The PixelFox coordinator: knows every image, decides where its files live, moves them.

#[macro_use]
extern crate pixelfox_node;

pub mod access;
pub mod accounts;
pub mod app;
pub mod backup;
pub mod books;
pub mod catalog;
pub mod cli;
pub mod clock;
pub mod config;
pub mod counts;
pub mod ctl;
pub mod dev;
pub mod diagnose;
pub mod dispatch;
pub mod events;
pub mod grpc;
pub mod http;
pub mod metrics;
pub mod moves;
pub mod placement;
pub mod progress;
pub mod rebuild;
pub mod schedule;
pub mod sessions;
pub mod settle;
pub mod store;
pub mod upkeep;
pub mod uploads;
