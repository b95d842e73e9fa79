//! Settings on the wire.

use pixelfox_proto::{Fault, text, v1};

use crate::catalog::{Settings, SettingsPatch};

/// A change: absent fields stay.
///
/// # Errors
/// A message without settings.
pub(crate) fn patch(settings: Option<v1::Settings>) -> Result<SettingsPatch, Fault> {
    let settings = settings.ok_or_else(|| Fault::bad_request(text!(de "settings: fehlt", en "settings: missing")))?;
    Ok(SettingsPatch {
        direct_upload_enabled: settings.direct_upload_enabled,
        replication_require_checksum: settings.replication_require_checksum,
        upload_max_bytes: settings.upload_max_bytes,
        upload_rate_limit_per_ip: settings.upload_rate_limit_per_ip,
        upload_rate_limit_per_user: settings.upload_rate_limit_per_user,
        public_uploads: settings.public_uploads,
        move_bandwidth_per_node: settings.move_bandwidth_per_node,
        move_slots_per_node: settings.move_slots_per_node,
        trash_hours: settings.trash_hours,
        reserve_bytes: settings.reserve_bytes,
        reserve_automatic: settings.reserve_automatic.unwrap_or(false),
        variants_webp: settings.variants_webp,
        variants_avif: settings.variants_avif,
        variants_original: settings.variants_original,
        strip_location: settings.strip_location,
    })
}

/// The settings as they are. The variants stay absent until they are built.
pub(crate) fn settings(settings: &Settings) -> v1::Settings {
    v1::Settings {
        direct_upload_enabled: Some(settings.direct_upload_enabled),
        replication_require_checksum: Some(settings.replication_require_checksum),
        upload_max_bytes: Some(settings.upload_max_bytes),
        upload_rate_limit_per_ip: Some(settings.upload_rate_limit_per_ip),
        upload_rate_limit_per_user: Some(settings.upload_rate_limit_per_user),
        public_uploads: Some(settings.public_uploads),
        move_bandwidth_per_node: Some(settings.move_bandwidth_per_node),
        move_slots_per_node: Some(settings.move_slots_per_node),
        trash_hours: Some(settings.trash_hours),
        reserve_bytes: settings.reserve_bytes,
        reserve_automatic: Some(settings.reserve_bytes.is_none()),
        variants_webp: None,
        variants_avif: None,
        variants_original: None,
        strip_location: Some(settings.strip_location),
    }
}
