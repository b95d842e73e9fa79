//! Tests of the pages against a fake of the Admin service: one binary.
#![expect(clippy::unwrap_used, reason = "a test that can't go on fails where it stands")]

mod api_keys;
mod audit;
mod dashboard;
mod diagnose;
mod disks;
mod fake;
mod frame;
mod gate;
mod lists;
mod live;
mod nodes;
mod reader;
mod settings;
mod storage;
mod storage_disk;
