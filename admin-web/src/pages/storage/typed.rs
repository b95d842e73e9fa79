//! A pool as the fields of its form, and back. Pure.

use pixelfox_proto::v1;

use super::{
    refused::{Found, Weight},
    size,
};
use crate::{visit::Fields, words::Storage};

/// A pool as its form is filled in.
pub(super) fn fields_of(pool: &v1::Pool) -> Fields {
    let tick = |ticked: bool| if ticked { "1" } else { "" };
    let pairs = [
        ("name", pool.name.clone()),
        ("description", pool.description.clone()),
        ("node_id", pool.node_id.clone()),
        ("base_path", pool.base_path.clone()),
        ("storage_type", pool.storage_type.clone()),
        ("upload_api_url", pool.upload_api_url.clone()),
        ("public_base_url", pool.public_base_url.clone()),
        ("storage_tier", pool.storage_tier.clone()),
        ("priority", pool.priority.to_string()),
        ("max_size", size::typed(pool.max_size)),
        ("is_active", tick(pool.is_active).to_owned()),
        ("is_default", tick(pool.is_default).to_owned()),
        ("legacy_node", tick(pool.legacy_node).to_owned()),
        ("legacy_pool_id", pool.legacy_pool_id.to_string()),
    ];
    Fields(pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

/// The pool that was typed, or what is no number.
pub(super) fn read(w: &Storage, id: u64, fields: &Fields) -> Result<v1::Pool, Vec<Found>> {
    let mut found = Vec::new();
    let mut wrong = |field: &str, text: &str| {
        found.push(Found { field: field.into(), text: text.into(), weight: Weight::Error });
    };
    let max_size = size::bytes(fields.text("max_size"));
    if max_size.is_none() {
        wrong("max_size", w.bad_size);
    }
    // Empty it is no number: 0 would be the first choice of all.
    let priority: Option<i32> = fields.text("priority").parse().ok();
    if priority.is_none() {
        wrong("priority", w.bad_number);
    }
    let legacy_pool_id = fields.text("legacy_pool_id");
    let legacy_pool_id: Option<u64> = if legacy_pool_id.is_empty() { Some(0) } else { legacy_pool_id.parse().ok() };
    if legacy_pool_id.is_none() {
        wrong("legacy_pool_id", w.bad_legacy_id);
    }
    let text = |name: &str| fields.text(name).to_owned();
    let pool = v1::Pool {
        id,
        name: text("name"),
        node_id: text("node_id"),
        base_path: text("base_path"),
        upload_api_url: text("upload_api_url"),
        public_base_url: text("public_base_url"),
        max_size: max_size.unwrap_or(0),
        is_active: fields.has("is_active"),
        is_default: fields.has("is_default"),
        priority: priority.unwrap_or(0),
        storage_type: text("storage_type"),
        storage_tier: text("storage_tier"),
        description: text("description"),
        legacy_pool_id: legacy_pool_id.unwrap_or(0),
        legacy_node: fields.has("legacy_node"),
        ..v1::Pool::default()
    };
    if found.is_empty() { Ok(pool) } else { Err(found) }
}
