//! Who may do how much: tries to sign in. Pure: time is an argument.

mod tries;

pub use tries::{Seat, Tries};
