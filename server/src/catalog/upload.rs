//! Uploads that nodes ask a record for. Pure.

use pixelfox_proto::{FileMeta, ImageId, NodeId, PoolId, Sha256, ShareToken, StoredPath, VisitorId};

/// A file that a node has durably and wants a record for.
#[derive(Clone, Debug, PartialEq)]
pub struct NewUpload {
    /// The image's UUID. Asked again with the same one, the answer is the same.
    pub id: ImageId,
    /// Who asks; must be the pool's node.
    pub node: NodeId,
    /// Where the file is.
    pub pool: PoolId,
    /// Under which path.
    pub path: StoredPath,
    /// Bytes.
    pub size: u64,
    /// Digest.
    pub sha256: Sha256,
    /// Name, type, dimensions, user, share token.
    pub meta: FileMeta,
    /// A visitor's cookie session, where it is one.
    pub visitor: Option<VisitorId>,
}

/// The pools whose files can be read now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readable {
    /// All that there are.
    Every,
    /// These.
    These(Vec<PoolId>),
}

/// What the node does with its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UploadDecision {
    /// Keep: it is this image's, the new one or an earlier one whose copy was gone.
    Keep(UploadedImage),
    /// The user has these bytes already: drop the file, answer with the earlier image.
    DropDuplicate(UploadedImage),
    /// Drop the file; why, in a sentence.
    DropRefused(String),
}

/// The image to answer with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadedImage {
    /// Its UUID.
    pub id: ImageId,
    /// What stands in its share link.
    pub share: ShareToken,
    /// Where a browser gets the original.
    pub url: String,
}
