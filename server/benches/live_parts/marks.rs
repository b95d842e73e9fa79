//! Changes that can be seen on a page and told apart: the pool that everything moves to is renamed, again and again.

use std::time::{Duration, SystemTime};

use pixelfox_proto::v1;

use super::super::moves_parts::cluster::Admin;

const EVERY: Duration = Duration::from_millis(500);

/// When each name was given, in milliseconds of the clock that the browser has too.
pub(crate) struct Marks {
    admin: Admin,
    pool: u64,
    at: Vec<f64>,
}

impl Marks {
    pub(crate) fn of(admin: Admin, pool: u64) -> Self {
        Self { admin, pool, at: vec![0.0] }
    }

    /// Of the pool; the first one is 0.
    pub(crate) fn name(number: usize) -> String {
        format!("mark-{number}.")
    }

    /// When its request was sent.
    pub(crate) fn at(&self, number: usize) -> Option<f64> {
        self.at.get(number).copied()
    }

    pub(crate) async fn make_for(&mut self, time: Duration) {
        let until = tokio::time::Instant::now() + time;
        let mut next = tokio::time::interval(EVERY);
        while tokio::time::Instant::now() < until {
            next.tick().await;
            let mut pool = self.admin.get_pool(v1::GetPoolRequest { id: self.pool }).await.unwrap().into_inner();
            pool.name = Self::name(self.at.len());
            self.at.push(now());
            let ask = v1::UpdatePoolRequest { pool: Some(pool), save_anyway: true, ..Default::default() };
            self.admin.update_pool(ask).await.unwrap();
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "compared with the clock of a browser")]
fn now() -> f64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64() * 1000.0
}
