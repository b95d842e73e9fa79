//! What a node keeps of a pool for a lost database, both ways.

use pixelfox_proto::v1;

use crate::pools::PoolFacts;

/// From the wire.
pub(super) fn read(wire: v1::PoolFacts) -> PoolFacts {
    let v1::PoolFacts {
        upload_api_url,
        priority,
        storage_type,
        storage_tier,
        description,
        is_default,
        legacy_node,
        node_id,
    } = wire;
    PoolFacts { upload_api_url, priority, storage_type, storage_tier, description, is_default, legacy_node, node_id }
}

/// As the wire has them.
pub(super) fn write(facts: PoolFacts) -> v1::PoolFacts {
    let PoolFacts {
        upload_api_url,
        priority,
        storage_type,
        storage_tier,
        description,
        is_default,
        legacy_node,
        node_id,
    } = facts;
    v1::PoolFacts {
        upload_api_url,
        priority,
        storage_type,
        storage_tier,
        description,
        is_default,
        legacy_node,
        node_id,
    }
}
