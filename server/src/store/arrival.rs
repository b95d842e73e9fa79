//! A database that is not there yet: a PostgreSQL server that starts beside this program, or after it. Waiting helps where
//! nobody answers; where somebody answers with no, opening it says why.

use std::time::Duration;

use tokio::time::sleep;

use super::{Store, open::without_password, postgres};

/// Between two tries.
const PAUSE: Duration = Duration::from_secs(1);
/// It is told once in so many tries that nobody answers.
const TOLD_EVERY: u32 = 60;

impl Store {
    /// Returns when the database of this `DATABASE_URL` answers, or where it will not by waiting. A file is waited for by
    /// nobody. Who is told to stop meanwhile drops this.
    pub async fn wait_for(url: &str) {
        if !postgres::is_url(url) {
            return;
        }
        let mut tries: u32 = 0;
        while let Err(why) = postgres::knock(url).await {
            if tries.is_multiple_of(TOLD_EVERY) {
                let place = without_password(url);
                tracing::warn!(
                    "the database {place} does not answer yet: {why}. It is tried again until it does; if it is elsewhere, \
                     correct DATABASE_URL"
                );
            }
            tries += 1;
            sleep(PAUSE).await;
        }
        if tries > 0 {
            tracing::info!("the database answers");
        }
    }
}
