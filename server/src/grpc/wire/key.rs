//! API keys on the wire.

use pixelfox_proto::v1;

use super::timestamp;
use crate::catalog::ApiKey;

/// A key without its word.
pub(crate) fn key(key: ApiKey) -> v1::ApiKey {
    v1::ApiKey {
        id: key.id,
        name: key.name,
        key: String::new(),
        user_id: key.user_id,
        created: Some(timestamp(key.created)),
        last_used: key.last_used.map(timestamp),
    }
}
