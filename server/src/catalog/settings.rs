//! Settings of the cluster and their limits. Pure.

use super::Refusal;
use pixelfox_proto::text;

/// Settings as they are. Source: `Settings` of admin.proto.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
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
    /// `reserve_bytes` is its default again.
    pub reserve_automatic: bool,
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
        if patch.variants_webp.or(patch.variants_avif).or(patch.variants_original).is_some() {
            return Err(Refusal::invalid(text!(
                de "variants_*: Varianten sind noch nicht gebaut; diese Felder weglassen",
                en "variants_*: variants are not built yet; leave these fields out"
            )));
        }
        if patch.strip_location == Some(true) {
            return Err(Refusal::invalid(text!(
                de "strip_location: ist noch nicht gebaut; ausgeschaltet lassen",
                en "strip_location: is not built yet; leave it off"
            )));
        }
        let mut new = self.clone();
        macro_rules! take {
            ($($field:ident),+) => { $(if let Some(value) = patch.$field { new.$field = value; })+ };
        }
        take!(direct_upload_enabled, replication_require_checksum, upload_max_bytes, upload_rate_limit_per_ip);
        take!(upload_rate_limit_per_user, public_uploads, move_bandwidth_per_node, move_slots_per_node, trash_hours);
        take!(strip_location);
        new.reserve_bytes = match (patch.reserve_automatic, patch.reserve_bytes) {
            (true, Some(_)) => {
                return Err(Refusal::invalid(text!(
                    de "reserve_bytes: entweder ein Wert oder automatisch",
                    en "reserve_bytes: is either a value or automatic"
                )));
            }
            (true, None) => None,
            (false, value) => value.or(new.reserve_bytes),
        };
        new.check()?;
        if new != *self {
            new.revision += 1;
        }
        Ok(new)
    }

    fn check(&self) -> Result<(), Refusal> {
        let ranges = [
            ("upload_max_bytes", self.upload_max_bytes, 1, Self::MAX_UPLOAD_BYTES),
            ("move_slots_per_node", self.move_slots_per_node.into(), 1, Self::MAX_SLOTS.into()),
            ("trash_hours", self.trash_hours.into(), 0, Self::MAX_TRASH_HOURS.into()),
            ("move_bandwidth_per_node", self.move_bandwidth_per_node, 0, 1 << 50),
            ("reserve_bytes", self.reserve_bytes.unwrap_or(0), 0, 1 << 50),
        ];
        match ranges.into_iter().find(|(_, value, low, high)| value < low || value > high) {
            Some((field, value, low, high)) => Err(Refusal::invalid(text!(
                de "{field}: {value} liegt nicht zwischen {low} und {high}",
                en "{field}: {value} is not between {low} and {high}"
            ))),
            None => Ok(()),
        }
    }

    /// Largest upload that can be allowed: 1 TiB.
    pub const MAX_UPLOAD_BYTES: u64 = 1 << 40;
    /// Pushes at once per node that can be allowed.
    pub const MAX_SLOTS: u32 = 64;
    /// Longest stay in the trash: ten years.
    pub const MAX_TRASH_HOURS: u32 = 87_600;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_absent_stays() {
        let patch = SettingsPatch { trash_hours: Some(0), public_uploads: Some(true), ..SettingsPatch::default() };
        let new = Settings::default().patched(&patch).unwrap();
        let want = Settings { trash_hours: 0, public_uploads: true, revision: 1, ..Settings::default() };
        assert_eq!(new, want);
        assert_eq!(new.patched(&patch).unwrap().revision, 1, "the same again is no change");
    }

    #[test]
    fn a_reserve_can_be_left_to_the_program_again() {
        let patch = SettingsPatch { reserve_bytes: Some(5), ..SettingsPatch::default() };
        let set = Settings::default().patched(&patch).unwrap();
        let patch = SettingsPatch { reserve_automatic: true, ..SettingsPatch::default() };
        let want = Settings { revision: 2, ..Settings::default() };
        assert_eq!(set.patched(&patch).unwrap(), want);
        let both = SettingsPatch { reserve_bytes: Some(5), reserve_automatic: true, ..SettingsPatch::default() };
        assert!(set.patched(&both).unwrap_err().to_string().starts_with("reserve_bytes: "));
    }

    #[test]
    fn what_can_not_work_is_refused_by_field() {
        let patch = SettingsPatch::default;
        for (want, patch) in [
            ("variants_*", SettingsPatch { variants_avif: Some(false), ..patch() }),
            ("strip_location", SettingsPatch { strip_location: Some(true), ..patch() }),
            ("upload_max_bytes: 0", SettingsPatch { upload_max_bytes: Some(0), ..patch() }),
            ("move_slots_per_node: 65", SettingsPatch { move_slots_per_node: Some(65), ..patch() }),
            ("reserve_bytes", SettingsPatch { reserve_bytes: Some(u64::MAX), ..patch() }),
        ] {
            let refusal = Settings::default().patched(&patch).expect_err(want);
            assert!(refusal.to_string().starts_with(want), "{refusal}");
        }
    }
}
