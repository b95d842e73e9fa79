//! Tests of the coordinator over real ports.
#![expect(clippy::unwrap_used, reason = "a test that can't go on fails where it stands")]

mod admin;
mod attach;
mod dispatch;
mod office;
mod store_books;
mod store_moves;
