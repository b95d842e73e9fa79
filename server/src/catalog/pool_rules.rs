//! What a pool must be to work: each finding names the field and the cure. Pure.

use std::collections::BTreeSet;

use pixelfox_proto::NodeId;
use url::Url;

use super::{Pool, PoolDraft, Refusal, StorageTier, StorageType};

/// Whether doubts are saved over. What can't work is refused either way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SaveRule {
    /// Doubts are refused too.
    #[default]
    Checked,
    /// `save_anyway`.
    Anyway,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// It can't work.
    Error,
    /// It looks wrong; may be saved over.
    Warning,
}

/// One thing about a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Its name on the wire.
    pub field: &'static str,
    /// How bad.
    pub severity: Severity,
    /// What is wrong and what to do.
    pub message: String,
}

/// A pool that can work: checked and in normal form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolSpec {
    /// 1 to 64 characters, no control characters, no spaces around.
    pub name: String,
    /// The node.
    pub node: NodeId,
    /// Absolute, no `.`, `..`, doubled or trailing slash.
    pub base_path: String,
    /// http or https, without user, query and fragment.
    pub upload_api_url: String,
    /// Likewise, without a slash at its end.
    pub public_base_url: String,
    /// Bytes; 0: no limit.
    pub max_size: u64,
    /// Takes uploads and moves.
    pub is_active: bool,
    /// Where uploads go when no other has room.
    pub is_default: bool,
    /// The lowest is chosen first.
    pub priority: i32,
    /// What it is made of.
    pub storage_type: StorageType,
    /// How fast it is.
    pub storage_tier: StorageTier,
    /// At most 1,000 characters.
    pub description: String,
    /// 0: its own id.
    pub legacy_pool_id: u64,
    /// An older PixelFox.
    pub legacy_node: bool,
}

impl PoolSpec {
    /// Checks each field on its own.
    ///
    /// # Errors
    /// All findings in one sentence each: errors always, warnings unless saved over.
    pub fn check(draft: PoolDraft, rule: SaveRule) -> Result<Self, Refusal> {
        todo!("{draft:?} {rule:?}")
    }

    /// Checks it against every other pool (`others` without the one that it changes): name, directory, legacy id.
    ///
    /// # Errors
    /// The first pool that it collides with.
    pub fn fits(&self, others: &[Pool]) -> Result<(), Refusal> {
        todo!("{others:?}")
    }
}

/// Scheme, host and port of a URL that [`PoolSpec::check`] has passed.
#[must_use]
pub fn origin_of(url: &str) -> String {
    Url::parse(url).map(|url| url.origin().ascii_serialization()).unwrap_or_default()
}

/// The name of the pool that AUTO_POOLS makes for a node: `img` and the digits at the end of its NODE_ID, else the
/// next free number. Source: CONTRACT.md, `AUTO_POOLS`.
#[must_use]
pub fn auto_pool_name(node: &NodeId, taken: &BTreeSet<String>) -> String {
    todo!("{node:?} {taken:?}")
}
