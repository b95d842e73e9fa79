//! NODE_ID to live session: at most one each. Holds no lock while anything waits.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use pixelfox_proto::NodeId;

use super::link::Session;

/// The sessions that are live now.
#[derive(Debug, Default)]
pub(super) struct Registry {
    live: Mutex<BTreeMap<NodeId, Arc<Session>>>,
}

impl Registry {
    pub(super) fn get(&self, node: &NodeId) -> Option<Arc<Session>> {
        self.live.lock().get(node).cloned()
    }

    /// In the order of their names.
    pub(super) fn all(&self) -> Vec<Arc<Session>> {
        self.live.lock().values().cloned().collect()
    }

    pub(super) fn insert(&self, session: Arc<Session>) {
        self.live.lock().insert(session.node().clone(), session);
    }

    /// Removes this very session; a newer one of the same node stays.
    pub(super) fn remove(&self, session: &Arc<Session>) {
        let mut live = self.live.lock();
        if live.get(session.node()).is_some_and(|here| Arc::ptr_eq(here, session)) {
            live.remove(session.node());
        }
    }
}
