//! Which images of a request go, and why the others stay. Pure.

use pixelfox_proto::{ImageId, JobId, PoolId};

/// An image as a plan looks at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanImage {
    /// Its UUID.
    pub id: ImageId,
    /// The pool that it is in.
    pub pool: PoolId,
    /// Files that would go.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// What is in the way, apart from its place.
    pub blocker: Option<Blocker>,
}

/// What keeps an image where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blocker {
    /// Another open job changes its files.
    Job(JobId),
    /// Its original is lost.
    Lost,
    /// Its original does not match the books.
    Suspect,
    /// It is being deleted.
    Deleting,
}

/// The images that go, and a sentence for each that stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Planned {
    /// In the order of the request.
    pub go: Vec<PlanImage>,
    /// In the order of the request.
    pub stay: Vec<String>,
}

impl Planned {
    /// Files that go.
    #[must_use]
    pub fn files(&self) -> u64 {
        self.go.iter().map(|image| image.files).sum()
    }

    /// Bytes that go.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.go.iter().map(|image| image.bytes).sum()
    }
}

/// Splits a request for `target` (named `target_name`). `found` may have any order; what was asked for and is not in
/// it is unknown. An image that is asked for twice goes once. O(n log n).
#[must_use]
pub fn plan(asked: &[ImageId], found: Vec<PlanImage>, target: PoolId, target_name: &str) -> Planned {
    todo!("{asked:?} {found:?} {target} {target_name}")
}
