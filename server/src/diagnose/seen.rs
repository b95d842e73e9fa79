//! What is known before anybody is asked: nodes, pools, who was not let in. Pure.

use pixelfox_proto::{NodeId, Text, text};

use crate::catalog::{Pool, UnixMillis};
use crate::sessions::TurnedAway;

/// All of it.
#[derive(Clone, Debug)]
pub(crate) struct Cluster {
    /// Every node on record, and every one that a pool names, by NODE_ID.
    pub(crate) nodes: Vec<NodeSeen>,
    /// Every pool.
    pub(crate) pools: Vec<Pool>,
    /// Who was not let in of late.
    pub(crate) turned_away: Vec<TurnedAway>,
    /// This server's version.
    pub(crate) version: String,
    /// This server's pages as browsers see them, where its own node has said it.
    pub(crate) page: Option<String>,
    /// When it was looked.
    pub(crate) now: UnixMillis,
}

/// A node.
#[derive(Clone, Debug)]
pub(crate) struct NodeSeen {
    /// Its NODE_ID.
    pub(crate) node: NodeId,
    /// Where it is.
    pub(crate) presence: Presence,
    /// Names of its pools.
    pub(crate) pools: Vec<String>,
}

/// Where a node is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Presence {
    /// Attached to this server.
    Here(About),
    /// Attached to another server.
    Elsewhere {
        /// Its version.
        version: String,
        /// That server's name, and where it is, as far as is known.
        server: String,
        url: String,
    },
    /// On record and not attached.
    Away {
        /// Its last sign of life.
        last_seen: UnixMillis,
        /// Where it dialled from then.
        address: String,
    },
    /// It has never attached; only a pool names it.
    Never,
}

/// What a node says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct About {
    /// Its version.
    pub(crate) version: String,
    /// Where it dialled from.
    pub(crate) address: String,
    /// Itself as browsers see it.
    pub(crate) public_domain: String,
    /// Itself as other nodes see it.
    pub(crate) node_url: String,
    /// How far its clock is ahead of this server's; `None`: it has not said.
    pub(crate) clock_offset_ms: Option<i64>,
    /// What its environment deserves a word for.
    pub(crate) warnings: Vec<String>,
    /// Tells its UPLOAD_TOKEN_SECRET from others; empty: it has none.
    pub(crate) upload_secret_tag: Vec<u8>,
}

impl Cluster {
    /// A node by its NODE_ID.
    #[must_use]
    pub(crate) fn node(&self, node: &NodeId) -> Option<&NodeSeen> {
        self.nodes.iter().find(|seen| seen.node == *node)
    }

    /// Whether a node is attached, to whichever server.
    #[must_use]
    pub(crate) fn is_attached(&self, node: &NodeId) -> bool {
        self.node(node).is_some_and(|seen| matches!(seen.presence, Presence::Here(_) | Presence::Elsewhere { .. }))
    }
}

impl NodeSeen {
    /// What it says of itself, where it is attached to this server.
    #[must_use]
    pub(crate) fn about(&self) -> Option<&About> {
        match &self.presence {
            Presence::Here(about) => Some(about),
            _ => None,
        }
    }

    /// As a finding names it.
    #[must_use]
    pub(crate) fn subject(&self) -> String {
        format!("node {}", self.node)
    }
}

/// As a finding names a pool.
#[must_use]
pub(crate) fn pool_subject(pool: &Pool) -> String {
    format!("pool {}", pool.name)
}

/// `12 s`, `3 min`, `5 h`, `2 days`.
#[must_use]
pub(crate) fn so_long(seconds: u64) -> Text {
    match seconds {
        0..120 => text!(de "{seconds} s", en "{seconds} s"),
        120..7_200 => text!(de "{} min", en "{} min", seconds / 60),
        7_200..172_800 => text!(de "{} h", en "{} h", seconds / 3_600),
        _ => text!(de "{} Tagen", en "{} days", seconds / 86_400),
    }
}
