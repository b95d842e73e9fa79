//! Storage nodes that did not take an upload of late, because they could not be reached or did not answer. They are asked
//! after all others, so that not every upload waits for the same silence.

use std::{collections::HashMap, time::Duration};

use parking_lot::Mutex;
use pixelfox_proto::PoolId;
use tokio::time::Instant;

use super::places::Place;

/// For so long a pool comes last.
const AFTER: Duration = Duration::from_secs(30);

/// Which, at what URL, until when. Bounded by the pools that there are.
#[derive(Debug, Default)]
pub(super) struct Silent(Mutex<HashMap<PoolId, Note>>);

#[derive(Debug)]
struct Note {
    upload_api_url: String,
    until: Instant,
}

impl Silent {
    /// It did not answer just now.
    pub(super) fn note(&self, place: &Place) {
        let now = Instant::now();
        let mut silent = self.0.lock();
        silent.retain(|_, note| note.until > now);
        silent.insert(place.pool, Note { upload_api_url: place.upload_api_url.clone(), until: now + AFTER });
    }

    /// It took one.
    pub(super) fn forget(&self, pool: PoolId) {
        self.0.lock().remove(&pool);
    }

    /// The same places, those that were silent last; otherwise in their order. A new URL is a new place.
    pub(super) fn last(&self, mut places: Vec<Place>) -> Vec<Place> {
        let (now, silent) = (Instant::now(), self.0.lock());
        let holds = |place: &Place, note: &Note| note.until > now && note.upload_api_url == place.upload_api_url;
        places.sort_by_key(|place| silent.get(&place.pool).is_some_and(|note| holds(place, note)));
        places
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places() -> Vec<Place> {
        let place = |id: u64| Place {
            pool: id.try_into().unwrap(),
            name: format!("img{id}"),
            node: format!("s0{id}").parse().unwrap(),
            upload_api_url: String::new(),
            public_base_url: String::new(),
        };
        (1..=3).map(place).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn who_was_silent_comes_last_for_a_while() {
        let silent = Silent::default();
        let order = || silent.last(places()).iter().map(|place| place.pool.get()).collect::<Vec<_>>();
        let first = places().remove(0);
        assert_eq!(order(), [1, 2, 3]);
        silent.note(&first);
        assert_eq!(order(), [2, 3, 1], "asked still, after the others");
        tokio::time::advance(AFTER).await;
        assert_eq!(order(), [1, 2, 3], "forgotten");
        silent.note(&first);
        silent.forget(first.pool);
        assert_eq!(order(), [1, 2, 3], "it took one meanwhile");
        silent.note(&Place { upload_api_url: "http://moved".into(), ..first });
        assert_eq!(order(), [1, 2, 3], "it was silent elsewhere");
    }
}
