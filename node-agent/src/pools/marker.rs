//! What a pool's marker says: whose directory it is, and what a lost database needs to have the pool again. Pure.

use pixelfox_proto::PoolFacts;
use serde::{Deserialize, Serialize};

use super::welcome::NodePool;

pub(super) const FORMAT: u32 = 1;

/// The marker. Fields are added, never changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marker {
    /// Of a newer version: not to be touched.
    pub(super) format: u32,
    /// Two pools over one directory are told apart by it.
    pub identity: String,
    /// In the cluster that wrote it.
    pub pool_id: u64,
    /// As people call it.
    pub name: String,
    /// In bytes; 0: no limit.
    #[serde(default)]
    pub max_size: u64,
    /// What its files' URLs begin with.
    #[serde(default)]
    pub public_base_url: String,
    /// 0: none.
    #[serde(default)]
    pub legacy_pool_id: u64,
    /// Takes uploads and moves; markers of before do not say it.
    #[serde(default = "yes")]
    pub is_active: bool,
    /// The rest.
    #[serde(flatten)]
    pub facts: PoolFacts,
}

const fn yes() -> bool {
    true
}

impl Marker {
    pub(super) fn of(told: &NodePool) -> Self {
        Self {
            format: FORMAT,
            identity: told.identity.clone(),
            pool_id: told.id.get(),
            name: told.name.clone(),
            max_size: told.max_size,
            public_base_url: told.public_base_url.clone(),
            legacy_pool_id: told.legacy_pool_id.unwrap_or(0),
            is_active: told.is_active,
            facts: told.facts.clone(),
        }
    }

    pub(super) fn text(&self) -> String {
        serde_json::to_string_pretty(self).expect("words and numbers are always JSON")
    }

    /// What the text of a marker says.
    ///
    /// # Errors
    /// A sentence: it is damaged, or a newer version's.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        match serde_json::from_str::<Self>(text) {
            Ok(marker) if marker.format > FORMAT => {
                Err(format!("the marker was written by a newer version ({})", marker.format))
            }
            Ok(marker) => Ok(marker),
            Err(e) => Err(format!("the marker can't be read: {e}")),
        }
    }
}
