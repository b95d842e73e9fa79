//! What the Replicate bench is made of: sets of files, and the ways to get them from one side to the other. Each side
//! is a process of its own, so that its time and its memory are its own.

pub(crate) mod child;
pub(crate) mod ground;
pub(crate) mod memory;
pub(crate) mod others;
pub(crate) mod ours;
pub(crate) mod raw;

/// What one run took.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Run {
    pub(crate) seconds: f64,
    /// Processor time of both sides; 0 where it is not known.
    pub(crate) cpu_seconds: f64,
}

/// Nanoseconds of a monotonic clock.
pub(crate) fn now() -> std::time::Instant {
    pixelfox_node::clock::monotonic()
}
