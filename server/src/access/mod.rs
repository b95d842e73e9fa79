//! Who asks, and how much they may: API keys, visits, tries to sign in. Pure: time, random bytes and headers are
//! arguments.

mod api_key;
mod rows;
mod tries;
mod visit;

pub use api_key::{KeyWord, key_in};
pub use rows::FailureRows;
pub use tries::{Seat, Tries};
pub use visit::{VISIT_COOKIE, visit_cookie, visitor_of};
