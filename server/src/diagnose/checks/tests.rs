//! Made-up nodes and pools with sane defaults, for the tables of the checks.

use pixelfox_proto::{Language, NodeId, PoolId, Text};

use crate::catalog::{Pool, PoolUsage, StorageTier, StorageType, UnixMillis};
use crate::diagnose::finding::{Finding, Status};
use crate::diagnose::seen::{About, Cluster, NodeSeen, Presence};
use crate::sessions::{Grounds, PoolHealth, Trouble, TurnedAway};

/// When it is.
pub(crate) const NOW: UnixMillis = UnixMillis(10_000_000);

pub(crate) fn id(node: &str) -> NodeId {
    node.parse().expect("a NODE_ID")
}

/// Attached to this server, of this version, with a pool.
pub(crate) fn here(node: &str) -> NodeSeen {
    let about = About {
        version: "1.0.0".into(),
        address: "10.0.0.1:5".into(),
        public_domain: format!("http://{node}.local"),
        node_url: format!("http://{node}:4000"),
        clock_offset_ms: Some(0),
        ..About::default()
    };
    NodeSeen { node: id(node), presence: Presence::Here(about), pools: vec![format!("pool of {node}")] }
}

/// The same, with a change to what it says of itself.
pub(crate) fn saying(node: &str, change: impl FnOnce(&mut About)) -> NodeSeen {
    let mut seen = here(node);
    if let Presence::Here(about) = &mut seen.presence {
        change(about);
    }
    seen
}

/// On record, not attached since a minute before [`NOW`].
pub(crate) fn away(node: &str) -> NodeSeen {
    let presence = Presence::Away { last_seen: UnixMillis(NOW.0 - 60_000), address: "10.0.0.2:5".into() };
    NodeSeen { presence, ..here(node) }
}

pub(crate) fn never(node: &str) -> NodeSeen {
    NodeSeen { presence: Presence::Never, ..here(node) }
}

pub(crate) fn pool(name: &str, node: &str) -> Pool {
    Pool {
        id: PoolId::try_from(2).expect("not 0"),
        name: name.into(),
        node: id(node),
        base_path: format!("/app/uploads_{node}"),
        identity: "identity".into(),
        upload_api_url: format!("http://app_{node}:4000/api/internal/upload"),
        public_base_url: format!("http://{node}.local:8082"),
        max_size: 0,
        is_active: true,
        is_default: false,
        priority: 10,
        storage_type: StorageType::Local,
        storage_tier: StorageTier::Hot,
        description: String::new(),
        legacy_pool_id: 0,
        legacy_node: false,
        initialize: false,
        revision: 1,
        created: UnixMillis(0),
        usage: PoolUsage::default(),
    }
}

pub(crate) fn cluster(nodes: Vec<NodeSeen>, pools: Vec<Pool>) -> Cluster {
    Cluster { nodes, pools, turned_away: Vec::new(), version: "1.0.0".into(), page: None, now: NOW }
}

pub(crate) fn refused(who: &str, grounds: Grounds, told: &str) -> TurnedAway {
    TurnedAway { who: who.into(), machine: "10.0.0.9".into(), grounds, told: told.into() }
}

pub(crate) fn well() -> PoolHealth {
    PoolHealth { free_bytes: 50 << 30, total_bytes: 100 << 30, ..PoolHealth::default() }
}

pub(crate) fn ill(trouble: Option<Trouble>) -> PoolHealth {
    PoolHealth { problem: Some("the node's sentence".into()), trouble, ..well() }
}

/// That a person who reads German is told the same: what has an English sentence has a German one.
pub(crate) fn assert_german(text: &Text, why: &str) {
    let (de, en) = (text.to(Language::De), text.to(Language::En));
    assert_eq!(de.is_empty(), en.is_empty(), "{why}: {text:?}");
    assert!(en.is_empty() || de != en, "{why}: {text:?}");
    let left = [" of node ", "this server", "REPLICATION_SECRET of"].iter().find(|word| de.contains(**word));
    assert_eq!(left, None, "{why}: {de}");
}

/// That it stands so, and that whatever is not well says what to change.
pub(crate) fn assert_stands(finding: &Finding, status: Status, words: &[&str], why: &str) {
    let text = format!("{} | {}", finding.message, finding.advice);
    assert_german(&finding.message, why);
    assert_german(&finding.advice, why);
    assert_eq!(finding.status, status, "{why}: {text}");
    assert_eq!(finding.advice.is_empty(), status == Status::Ok, "{why}: {text}");
    assert!(!finding.message.is_empty() && words.iter().all(|word| text.contains(word)), "{why}: {text}");
}
