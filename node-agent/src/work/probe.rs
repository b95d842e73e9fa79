//! Tries: does a pool work, may a directory become one?

use std::sync::Arc;

use super::{Cancel, Probe, Reporter, Shared};
use crate::pools::PoolReport;

impl Shared {
    /// A disk that hangs is given up with the session, and by whoever asked before that.
    pub(super) async fn probe(&self, probe: Probe, reporter: Reporter, cancel: &Cancel) {
        let found = tokio::select! {
            found = self.find_out(probe) => found,
            () = cancel.whole() => Err("called off".to_owned()),
        };
        match found {
            Ok(found) => reporter.probed(found).await,
            Err(why) => reporter.end(Some(why)).await,
        }
    }

    async fn find_out(&self, probe: Probe) -> Result<PoolReport, String> {
        match probe {
            Probe::Pool(id) => {
                let pool = self.pools.hosted(id).map_err(|fault| fault.message().to_owned())?;
                Ok(pool.check().await)
            }
            Probe::Place(place) => {
                let pools = Arc::clone(&self.pools);
                let looked = tokio::task::spawn_blocking(move || pools.look_at(&place)).await;
                looked.map_err(|_| "could not look at the directory".to_owned())
            }
        }
    }
}
