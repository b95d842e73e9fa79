//! Images for good. Pure.

use pixelfox_proto::ImageId;

use super::{MoveBatch, SettledJob};

/// Images to be deleted, as asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteAsk {
    /// Which; repeated ones count once.
    pub images: Vec<ImageId>,
    /// Chosen by the client; empty: none. The same one again does nothing new and answers the same.
    pub request_id: String,
}

impl DeleteAsk {
    /// Images of one request at most.
    pub const MAX_IMAGES: usize = 10_000;
}

/// What a delete began.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deleting {
    /// The answer.
    pub batch: MoveBatch,
    /// Images that are in sight no more.
    pub hidden: Vec<ImageId>,
    /// Their moves, which are cancelled, and deletes that had nothing to wait for.
    pub settled: Vec<SettledJob>,
}
