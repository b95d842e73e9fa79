//! Images and their files. Pure.

use pixelfox_proto::{Generation, ImageId, NodeId, PoolId, Sha256, ShareToken, StoredPath};

use super::{ImageOrder, ReplicaState, UnixMillis};

/// An image on record. Its files move as one set.
#[derive(Clone, Debug, PartialEq)]
pub struct Image {
    /// The UUID, also the id of its upload.
    pub id: ImageId,
    /// What stands in its share link.
    pub share: ShareToken,
    /// Name at the uploader's.
    pub original_name: String,
    /// Sniffed type of the original.
    pub content_type: String,
    /// Bytes of the original.
    pub size: u64,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Digest of the original.
    pub sha256: Sha256,
    /// Whose it is; 0: a visitor's.
    pub user_id: u64,
    /// When it was uploaded.
    pub created: UnixMillis,
    /// The pool that it is in.
    pub pool: PoolId,
    /// That pool's `public_base_url`.
    pub public_base_url: String,
    /// Its files, the original first.
    pub files: Vec<File>,
}

/// A file of an image, with the copy that is shown: the live one in the image's pool, else another live one, else
/// what there is.
#[derive(Clone, Debug, PartialEq)]
pub struct File {
    /// Its path, in every pool the same.
    pub path: StoredPath,
    /// `original`, `webp`, `webp_medium` …
    pub kind: String,
    /// Bytes.
    pub size: u64,
    /// Digest on record.
    pub sha256: Sha256,
    /// The pool of this copy.
    pub pool: PoolId,
    /// That pool's `public_base_url`.
    pub public_base_url: String,
    /// Generation of this copy.
    pub generation: Generation,
    /// State of this copy.
    pub state: ReplicaState,
    /// Where it is neither live nor elsewhere: a pool whose trash has the file.
    pub kept_in: Option<PoolId>,
}

impl File {
    /// Where a browser gets it: the pool's `public_base_url` + `/uploads/` + stored path.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}/uploads/{}", self.public_base_url, self.path)
    }
}

impl Image {
    /// Where a browser gets the original now.
    #[must_use]
    pub fn url(&self) -> String {
        self.files.first().map(File::url).unwrap_or_default()
    }
}

/// From here to there, both in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// `None`: from the first on.
    pub from: Option<i64>,
    /// `None`: to the last.
    pub to: Option<i64>,
}

impl Span {
    /// Whether it says anything.
    #[must_use]
    pub const fn is_all(self) -> bool {
        self.from.is_none() && self.to.is_none()
    }
}

/// Which images a list shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageFilter {
    /// Only those of this pool.
    pub pool: Option<PoolId>,
    /// Only those in pools of this node.
    pub node: Option<NodeId>,
    /// Part of the name in any case, or a UUID, a share token, a share link, a file's URL; empty: all.
    pub query: String,
    /// Bytes of the original.
    pub size: Span,
    /// When it was uploaded, Unix milliseconds.
    pub created: Span,
    /// Only those with a copy in this state in their pool.
    pub state: Option<ReplicaState>,
    /// Sorted by.
    pub order: ImageOrder,
}

/// How much there is in all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ImageTotals {
    /// Images.
    pub images: u64,
    /// Live files.
    pub files: u64,
    /// Bytes of the live files.
    pub bytes: u64,
}

/// Copies that are not as the books have them, counted up to a limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TroubledFiles {
    /// Not where they should be.
    pub lost: u64,
    /// With other bytes than they should have.
    pub suspect: u64,
}
