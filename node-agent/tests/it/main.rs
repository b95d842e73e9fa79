//! The node from outside: real ports, real files, real HTTP and gRPC.

#![expect(clippy::unwrap_used, reason = "a test that can't go on fails where it stands")]

mod disk_census;
mod disk_faults;
mod disk_ground;
mod disk_model;
mod disk_mount;
mod disk_pools;
mod disk_power;
mod disk_store;
mod disk_trash;
mod edge_rig;
mod http_replicate_forms;
mod http_replicate_rows;
mod listen_limits;
mod metrics;
mod push_files;
mod push_rig;
mod replicate_ends;
mod replicate_refusals;
mod replicate_resume;
mod replicate_rig;
mod replicate_rules;
mod session_attach;
mod stat_fetch_list;
mod tls;
mod upload_lanes;
mod upload_limits;
mod upload_refused;
mod upload_taken;
mod uploads_elsewhere;
mod uploads_serve;
mod uploads_suspect;
mod walk;
mod whois;
