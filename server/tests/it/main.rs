//! Tests of the coordinator over real ports, and stories over whole servers and clusters: one binary, because each
//! further one links everything again.
#![expect(clippy::unwrap_used, reason = "a test that can't go on fails where it stands")]

mod accounts;
mod admin;
mod app_uploads;
mod attach;
mod checker;
mod checks_cluster;
mod control;
mod control_cluster;
mod crash;
mod dispatch;
mod grpcurl;
mod harness;
mod house;
mod moves;
mod office;
mod outcomes;
mod pool_admin;
mod postgres;
mod processes;
mod programs;
mod public_api;
mod servers;
mod starts;
mod store_accounts;
mod store_books;
mod store_checks;
mod store_control;
mod store_crash;
mod store_deletes;
mod store_images;
mod store_lost;
mod store_moves;
mod store_pool_moves;
mod store_pools;
mod store_purge;
mod store_random;
mod store_room;
mod store_servers;
mod store_undo;
mod trash;
mod trash_cluster;
mod two_servers;
mod watch;
