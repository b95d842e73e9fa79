//! Tries: does a pool work, may a directory become one, who is at a URL?

use std::{sync::Arc, time::Duration};

use pixelfox_proto::PoolId;
use tokio::time::Instant;

use super::{Cancel, Probe, Probed, Reporter, Shared};
use crate::{
    pools::{Left, Place},
    whois::Found,
};

impl Shared {
    /// A disk that hangs is given up with the session, and by whoever asked before that.
    pub(super) async fn probe(&self, probe: Probe, reporter: Reporter, cancel: &Cancel) {
        let found = tokio::select! {
            found = self.find_out(probe) => found,
            () = cancel.whole() => Err("called off".to_owned()),
        };
        match found {
            Ok((found, None)) => reporter.probed(found).await,
            Ok((found, Some((_left, for_so_long)))) => {
                reporter.probed(found).await;
                tokio::select! {
                    () = tokio::time::sleep(for_so_long) => {}
                    () = cancel.whole() => {}
                    () = self.draining.cancelled() => {}
                }
            }
            Err(why) => reporter.end(Some(why)).await,
        }
    }

    /// What is found, and a file to be left for so long.
    async fn find_out(&self, probe: Probe) -> Result<(Probed, Option<(Left, Duration)>), String> {
        match probe {
            Probe::Pool(id) => Ok((self.try_pool(id, None).await?, None)),
            Probe::Leave(id, for_so_long) => {
                let pools = Arc::clone(&self.pools);
                let left = tokio::task::spawn_blocking(move || pools.leave(id)).await;
                // Why none was left is in the report on the pool.
                let left = left.ok().and_then(Result::ok);
                Ok((self.try_pool(id, left.as_ref()).await?, left.map(|left| (left, for_so_long))))
            }
            Probe::Place(place) => Ok((self.look_at(place).await?, None)),
            Probe::Target { url } => Ok((self.ask_target(&url).await, None)),
        }
    }

    async fn try_pool(&self, id: PoolId, left: Option<&Left>) -> Result<Probed, String> {
        let pool = self.pools.hosted(id).map_err(|fault| fault.message().to_owned())?;
        let left = left.map(|left| (left.path().clone(), left.content().to_vec()));
        Ok(Probed::Pool { report: pool.check().await, left })
    }

    async fn look_at(&self, place: Place) -> Result<Probed, String> {
        let pools = Arc::clone(&self.pools);
        let looked = tokio::task::spawn_blocking(move || pools.look_at(&place)).await;
        let report = looked.map_err(|_| "could not look at the directory".to_owned())?;
        Ok(Probed::Pool { report, left: None })
    }

    async fn ask_target(&self, url: &str) -> Probed {
        let begin = Instant::now();
        let found = self.whois.at(url).await;
        let without_grpc = match &found {
            Found::Node { .. } => self.whois.speaks_grpc(url).await.err(),
            Found::Older | Found::Stranger(_) | Found::Nobody(..) => None,
        };
        Probed::Target { found, without_grpc, took: begin.elapsed() }
    }
}
