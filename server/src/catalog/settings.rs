//! Settings of the cluster and their limits. Pure.

use super::Refusal;

/// Settings as they are. Source: `Settings` of admin.proto.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The page uploads straight to a storage node.
    pub direct_upload_enabled: bool,
    /// Replicate needs a checksum.
    pub replication_require_checksum: bool,
    /// Bytes of an upload at most.
    pub upload_max_bytes: u64,
    /// Per minute, uploads without a user; 0: no limit.
    pub upload_rate_limit_per_ip: u32,
    /// Per minute and user; 0: no limit.
    pub upload_rate_limit_per_user: u32,
    /// Uploads without a key or a login.
    pub public_uploads: bool,
    /// Bytes per second that one node sends for moves; 0: no limit.
    pub move_bandwidth_per_node: u64,
    /// Pushes at once per node, at least 1.
    pub move_slots_per_node: u32,
    /// Hours that old copies stay in the trash; 0: none is kept.
    pub trash_hours: u32,
    /// Bytes that every file system keeps free; `None`: 1 GiB or 1 %, whichever is less.
    pub reserve_bytes: Option<u64>,
    /// Strip position data from new originals.
    pub strip_location: bool,
    /// Rises with every change.
    pub revision: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            direct_upload_enabled: false,
            replication_require_checksum: true,
            upload_max_bytes: 512 << 20,
            upload_rate_limit_per_ip: 60,
            upload_rate_limit_per_user: 60,
            public_uploads: false,
            move_bandwidth_per_node: 0,
            move_slots_per_node: 4,
            trash_hours: 24,
            reserve_bytes: None,
            strip_location: false,
            revision: 0,
        }
    }
}

/// A change: what is `None` stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SettingsPatch {
    /// See [`Settings`].
    pub direct_upload_enabled: Option<bool>,
    /// See [`Settings`].
    pub replication_require_checksum: Option<bool>,
    /// See [`Settings`].
    pub upload_max_bytes: Option<u64>,
    /// See [`Settings`].
    pub upload_rate_limit_per_ip: Option<u32>,
    /// See [`Settings`].
    pub upload_rate_limit_per_user: Option<u32>,
    /// See [`Settings`].
    pub public_uploads: Option<bool>,
    /// See [`Settings`].
    pub move_bandwidth_per_node: Option<u64>,
    /// See [`Settings`].
    pub move_slots_per_node: Option<u32>,
    /// See [`Settings`].
    pub trash_hours: Option<u32>,
    /// See [`Settings`].
    pub reserve_bytes: Option<u64>,
    /// Not built yet: refused.
    pub variants_webp: Option<bool>,
    /// Not built yet: refused.
    pub variants_avif: Option<bool>,
    /// Not built yet: refused.
    pub variants_original: Option<bool>,
    /// See [`Settings`].
    pub strip_location: Option<bool>,
}

impl Settings {
    /// These settings with the change, one revision further where anything differs.
    ///
    /// # Errors
    /// A value that can't work, by field, with what can.
    pub fn patched(&self, patch: &SettingsPatch) -> Result<Self, Refusal> {
        todo!("{patch:?}")
    }
}
