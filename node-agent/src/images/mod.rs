//! Pictures by their content: which format, how large. Bytes in, values out; no file, no clock.
//! Must not trust a name or an announced type, and must not decode pixels before the limits are known.

mod blocks;
mod chunks;
mod headers;
mod jpeg;
mod measure;
mod sniff;

pub use measure::{Gauge, Picture, Rejected};
pub use sniff::Format;
