//! What the marker of a pool keeps of its settings.

use serde::{Deserialize, Serialize};

use crate::v1;

/// What a node keeps of a pool for a lost database, and does not use itself. Source: replication.proto, `PoolFacts`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PoolFacts {
    /// Where other nodes reach its node.
    pub upload_api_url: String,
    /// The lowest is chosen first.
    pub priority: i32,
    /// What it is made of.
    pub storage_type: String,
    /// How fast it is.
    pub storage_tier: String,
    /// For people.
    pub description: String,
    /// Where uploads go when no other has room.
    pub is_default: bool,
    /// Its node is an older PixelFox.
    pub legacy_node: bool,
    /// Whose it is; empty: not kept yet.
    pub node_id: String,
}

impl From<v1::PoolFacts> for PoolFacts {
    fn from(wire: v1::PoolFacts) -> Self {
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
        Self { upload_api_url, priority, storage_type, storage_tier, description, is_default, legacy_node, node_id }
    }
}

impl From<PoolFacts> for v1::PoolFacts {
    fn from(facts: PoolFacts) -> Self {
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
        Self { upload_api_url, priority, storage_type, storage_tier, description, is_default, legacy_node, node_id }
    }
}
