//! What a node is told of the cluster: its pools, the others' places, the settings. Pure.

use pixelfox_proto::{Lease, NodeId, PoolId, SessionEpoch};

use crate::catalog::{Pool, Settings};

/// The first answer to a Hello, and again whenever something in it changed.
#[derive(Clone, Debug, PartialEq)]
pub struct Welcome {
    /// Number of the session.
    pub epoch: SessionEpoch,
    /// No attempt up to this lease may land in the node's process: the counter's value at its Attach.
    pub lease_floor: Lease,
    /// Pools of the node, those that are not active too: they serve and can be moved away from.
    pub pools: Vec<Pool>,
    /// All other pools of the cluster.
    pub elsewhere: Vec<PoolHome>,
    /// Settings of the cluster.
    pub settings: Settings,
    /// Identities of deleted pools, where one of `pools` may still be made: it may take over their directories.
    pub retired: Vec<String>,
}

/// Where a pool of another node is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolHome {
    /// The pool.
    pub pool: PoolId,
    /// Its node.
    pub node: NodeId,
    /// That node as browsers see it.
    pub public_base_url: String,
    /// As people call the pool.
    pub name: String,
}

impl Welcome {
    /// The Welcome of one node out of what the books say.
    #[must_use]
    pub fn new(node: &NodeId, epoch: SessionEpoch, lease_floor: Lease, pools: Vec<Pool>, settings: Settings) -> Self {
        let (pools, others): (Vec<Pool>, Vec<Pool>) = pools.into_iter().partition(|pool| pool.node == *node);
        let home = |pool: Pool| {
            let Pool { id, node, public_base_url, name, .. } = pool;
            PoolHome { pool: id, node, public_base_url, name }
        };
        let elsewhere = others.into_iter().map(home).collect();
        Self { epoch, lease_floor, pools, elsewhere, settings, retired: Vec::new() }
    }
}
