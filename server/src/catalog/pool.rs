//! Storage pools. Pure.

use pixelfox_proto::{NodeId, PoolId};

use super::UnixMillis;

/// What a pool is made of. `s3` is not built yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum StorageType {
    /// A directory on a disk of the node.
    #[default]
    Local,
    /// A directory on a network file system.
    Nfs,
}

impl StorageType {
    /// The word in the database and on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Nfs => "nfs",
        }
    }
}

/// How fast a pool is; uploads go to the hottest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StorageTier {
    /// Fastest.
    #[default]
    Hot,
    /// Between.
    Warm,
    /// Slow.
    Cold,
    /// Slowest.
    Archive,
}

impl StorageTier {
    /// The word in the database and on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hot => "hot",
            Self::Warm => "warm",
            Self::Cold => "cold",
            Self::Archive => "archive",
        }
    }

    /// From that word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Hot, Self::Warm, Self::Cold, Self::Archive].into_iter().find(|tier| tier.as_str() == word)
    }
}

/// What is in a pool, by the books.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct PoolUsage {
    /// Bytes of copies that are live or suspect.
    pub used_bytes: u64,
    /// Copies that are live or suspect.
    pub used_files: u64,
    /// Bytes of copies that are on their way in.
    pub reserved_bytes: u64,
    /// Bytes of copies that are condemned, in the trash or being purged.
    pub trash_bytes: u64,
    /// Such copies.
    pub trash_files: u64,
    /// Images that are in this pool.
    pub images: u64,
}

/// A pool on record.
#[derive(Clone, Debug, PartialEq)]
pub struct Pool {
    /// Its id, never used twice.
    pub id: PoolId,
    /// Its name, unique.
    pub name: String,
    /// The node that has it.
    pub node: NodeId,
    /// Its directory there.
    pub base_path: String,
    /// Written into its directory at first use.
    pub identity: String,
    /// Where other nodes reach its node: `http://app:4000/api/internal/upload`.
    pub upload_api_url: String,
    /// Where browsers reach its node: `http://app.local:8080`.
    pub public_base_url: String,
    /// Bytes; 0: no limit.
    pub max_size: u64,
    /// Takes uploads and moves.
    pub is_active: bool,
    /// Where uploads go when no other has room. Exactly one pool is it.
    pub is_default: bool,
    /// The lowest is chosen first.
    pub priority: i32,
    /// What it is made of.
    pub storage_type: StorageType,
    /// How fast it is.
    pub storage_tier: StorageTier,
    /// For people.
    pub description: String,
    /// Its id in an older PixelFox's database; 0: the same.
    pub legacy_pool_id: u64,
    /// Its node is an older PixelFox, confirmed by the operator.
    pub legacy_node: bool,
    /// Whether the node may still make the directory and its marker: until the first healthy report.
    pub initialize: bool,
    /// Rises with every change of the fields above.
    pub revision: u64,
    /// When it was made.
    pub created: UnixMillis,
    /// What is in it.
    pub usage: PoolUsage,
}

impl Pool {
    /// Origin of its node as other nodes see it, `http://app:4000`.
    #[must_use]
    pub fn target_url(&self) -> String {
        super::origin_of(&self.upload_api_url)
    }

    /// Bytes that the books leave free under the pool's own limit, or `None` where it has none.
    #[must_use]
    pub const fn room(&self) -> Option<u64> {
        if self.max_size == 0 {
            return None;
        }
        let taken = self.usage.used_bytes.saturating_add(self.usage.trash_bytes);
        Some(self.max_size.saturating_sub(taken.saturating_add(self.usage.reserved_bytes)))
    }

    /// Its fields as a form shows them.
    #[must_use]
    pub fn draft(&self) -> PoolDraft {
        PoolDraft {
            name: self.name.clone(),
            node_id: self.node.to_string(),
            base_path: self.base_path.clone(),
            upload_api_url: self.upload_api_url.clone(),
            public_base_url: self.public_base_url.clone(),
            max_size: self.max_size,
            is_active: self.is_active,
            is_default: self.is_default,
            priority: self.priority,
            storage_type: self.storage_type.as_str().to_owned(),
            storage_tier: self.storage_tier.as_str().to_owned(),
            description: self.description.clone(),
            legacy_pool_id: self.legacy_pool_id,
            legacy_node: self.legacy_node,
        }
    }
}

/// A pool as somebody wrote it, unchecked. Field names are those of the wire, so that an error can name them.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct PoolDraft {
    /// See [`Pool::name`].
    pub name: String,
    /// See [`Pool::node`].
    pub node_id: String,
    /// See [`Pool::base_path`].
    pub base_path: String,
    /// See [`Pool::upload_api_url`].
    pub upload_api_url: String,
    /// See [`Pool::public_base_url`].
    pub public_base_url: String,
    /// See [`Pool::max_size`].
    pub max_size: u64,
    /// See [`Pool::is_active`].
    pub is_active: bool,
    /// See [`Pool::is_default`].
    pub is_default: bool,
    /// See [`Pool::priority`].
    pub priority: i32,
    /// `local` or `nfs`; empty: `local`.
    pub storage_type: String,
    /// `hot`, `warm`, `cold`, `archive`; empty: `hot`.
    pub storage_tier: String,
    /// See [`Pool::description`].
    pub description: String,
    /// See [`Pool::legacy_pool_id`].
    pub legacy_pool_id: u64,
    /// See [`Pool::legacy_node`].
    pub legacy_node: bool,
}

impl PoolDraft {
    /// The default pool of a fresh cluster, on the coordinator's own node: last in line for uploads.
    #[must_use]
    pub fn first(node: &NodeId, base_path: &str, node_url: &str, public_base_url: &str) -> Self {
        Self { is_default: true, priority: 99, ..Self::of_node("Default", node, base_path, node_url, public_base_url) }
    }

    /// A pool that AUTO_POOLS makes.
    #[must_use]
    pub fn auto(name: &str, node: &NodeId, base_path: &str, node_url: &str, public_base_url: &str) -> Self {
        Self { priority: 10, ..Self::of_node(name, node, base_path, node_url, public_base_url) }
    }

    fn of_node(name: &str, node: &NodeId, base_path: &str, node_url: &str, public_base_url: &str) -> Self {
        Self {
            name: name.to_owned(),
            node_id: node.to_string(),
            base_path: base_path.to_owned(),
            upload_api_url: format!("{}/api/internal/upload", node_url.trim_end_matches('/')),
            public_base_url: public_base_url.to_owned(),
            is_active: true,
            ..Self::default()
        }
    }
}

macro_rules! patch {
    ($($field:ident: $type:ty),+ $(,)?) => {
        /// A change of a pool: the fields that are `Some`. `From<PoolDraft>` changes all of them.
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub struct PoolPatch { $(#[doc = concat!("See `PoolDraft::", stringify!($field), "`.")] pub $field: Option<$type>,)+ }

        impl PoolPatch {
            /// Names of the fields, as an update mask has them.
            pub const FIELDS: &'static [&'static str] = &[$(stringify!($field)),+];

            /// Only the fields of this mask from `draft`; an empty mask: all.
            ///
            /// # Errors
            /// The first name that is no field.
            pub fn masked(draft: PoolDraft, mask: &[String]) -> Result<Self, String> {
                if let Some(unknown) = mask.iter().find(|name| !Self::FIELDS.contains(&name.as_str())) {
                    return Err(unknown.clone());
                }
                let takes = |name: &str| mask.is_empty() || mask.iter().any(|it| it == name);
                Ok(Self { $($field: takes(stringify!($field)).then_some(draft.$field),)+ })
            }

            /// `draft` with this change.
            #[must_use]
            pub fn apply(self, draft: PoolDraft) -> PoolDraft {
                PoolDraft { $($field: self.$field.unwrap_or(draft.$field),)+ }
            }
        }

        impl From<PoolDraft> for PoolPatch {
            fn from(draft: PoolDraft) -> Self {
                Self { $($field: Some(draft.$field),)+ }
            }
        }
    };
}
patch! {
    name: String,
    node_id: String,
    base_path: String,
    upload_api_url: String,
    public_base_url: String,
    max_size: u64,
    is_active: bool,
    is_default: bool,
    priority: i32,
    storage_type: String,
    storage_tier: String,
    description: String,
    legacy_pool_id: u64,
    legacy_node: bool,
}

/// What saving a pool led to.
#[derive(Clone, Debug, PartialEq)]
pub enum PoolSaved {
    /// A new pool.
    Created(Pool),
    /// One with the same name, node and path was there and has these fields now.
    Updated(Pool),
}

impl PoolSaved {
    /// The pool as it is now.
    #[must_use]
    pub fn into_pool(self) -> Pool {
        match self {
            Self::Created(pool) | Self::Updated(pool) => pool,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_changes_only_its_fields() {
        let shown = PoolDraft { name: "img1".into(), priority: 10, description: "old".into(), ..PoolDraft::default() };
        let typed = PoolDraft { name: "x".into(), priority: 5, ..PoolDraft::default() };
        let mask = ["priority".to_owned()];
        let new = PoolPatch::masked(typed.clone(), &mask).unwrap().apply(shown.clone());
        assert_eq!(new, PoolDraft { priority: 5, ..shown.clone() });
        assert_eq!(PoolPatch::masked(typed.clone(), &[]).unwrap().apply(shown.clone()), typed, "an empty mask: all");
        assert_eq!(PoolPatch::masked(typed, &["used_size".to_owned()]), Err("used_size".to_owned()));
    }
}
