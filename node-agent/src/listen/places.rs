//! Who gets one of a port's places for connections: nobody may take all of them. Counts and decides; must not touch a
//! socket.

use std::{collections::HashMap, fmt, net::IpAddr, sync::Arc};

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::Limits;
use crate::rate::household;

/// How the places of a port are shared. Who is exempt (this machine, trusted proxies) may have any place that is free:
/// a proxy's connections are those of all its clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shares {
    /// Most places of one address. What one household gets of IPv6 (64 bits) is one address.
    pub most: usize,
    /// So many an address gets of the last places too.
    pub sure: usize,
    /// The last places, for addresses that have no more than `sure`.
    pub for_newcomers: usize,
    /// The very last ones, for who is exempt alone.
    pub for_exempt: usize,
}

impl Default for Shares {
    fn default() -> Self {
        Self { most: 256, sure: 16, for_newcomers: 192, for_exempt: 64 }
    }
}

impl Shares {
    /// Whether an address that has `own` places gets one more while `free` are. Pure.
    const fn give(self, own: usize, free: usize) -> bool {
        let kept = if own < self.sure { self.for_exempt } else { self.for_exempt + self.for_newcomers };
        own < self.most && free > kept
    }
}

/// The places of a port.
pub(super) struct Places {
    all: usize,
    shares: Shares,
    exempt: crate::proxies::Proxies,
    taken: Mutex<Taken>,
    /// Told when a place becomes free. One waits for it: the accept loop.
    freed: Notify,
}

#[derive(Default)]
struct Taken {
    all: usize,
    by_address: HashMap<IpAddr, usize>,
}

impl Places {
    pub(super) fn of(limits: &Limits) -> Arc<Self> {
        Arc::new(Self {
            all: limits.connections.get(),
            shares: limits.shares,
            exempt: limits.exempt.clone(),
            taken: Mutex::default(),
            freed: Notify::new(),
        })
    }

    /// Returns when a place is free for somebody.
    pub(super) async fn any_free(&self) {
        while self.taken.lock().all >= self.all {
            self.freed.notified().await;
        }
    }

    /// A place for a connection from `address`, if it gets one.
    pub(super) fn take(self: &Arc<Self>, address: IpAddr) -> Option<Place> {
        let address = address.to_canonical();
        let taken = &mut *self.taken.lock();
        let free = self.all.saturating_sub(taken.all);
        let holder = (!self.exempt.trust(address)).then(|| household(address));
        let is_given = holder.map_or(free > 0, |holder| {
            let own = taken.by_address.get(&holder).copied().unwrap_or(0);
            self.shares.give(own, free)
        });
        if !is_given {
            return None;
        }
        taken.all += 1;
        if let Some(holder) = holder {
            *taken.by_address.entry(holder).or_default() += 1;
        }
        Some(Place { places: Arc::clone(self), holder })
    }

    fn free(&self, holder: Option<IpAddr>) {
        let taken = &mut *self.taken.lock();
        taken.all -= 1;
        if let Some(holder) = holder
            && let Some(own) = taken.by_address.get_mut(&holder)
        {
            *own -= 1;
            if *own == 0 {
                taken.by_address.remove(&holder);
            }
        }
        self.freed.notify_one();
    }
}

/// A connection's place, free again when this is dropped.
pub(super) struct Place {
    places: Arc<Places>,
    holder: Option<IpAddr>,
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Place").field("holder", &self.holder).finish_non_exhaustive()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.free(self.holder);
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use super::*;

    fn places(all: usize) -> Arc<Places> {
        let shares = Shares { most: 5, sure: 2, for_newcomers: 3, for_exempt: 1 };
        Places::of(&Limits { connections: NonZeroUsize::new(all).unwrap(), shares, ..Limits::default() })
    }

    /// As many as `address` gets of up to 100.
    fn all_of(places: &Arc<Places>, address: &str) -> Vec<Place> {
        let address = address.parse().unwrap();
        (0..100).map_while(|_| places.take(address)).collect()
    }

    #[test]
    fn nobody_gets_all_places_and_this_machine_always_gets_one() {
        let places = places(12);
        let greedy = all_of(&places, "203.0.113.1");
        assert_eq!(greedy.len(), 5, "its share");
        let second = all_of(&places, "203.0.113.2");
        assert_eq!(second.len(), 3, "the last four of twelve are not for who has two");
        let newcomers = [all_of(&places, "203.0.113.3"), all_of(&places, "203.0.113.4")];
        assert_eq!(newcomers.each_ref().map(Vec::len), [2, 1], "the last but one are for newcomers");
        assert_eq!(all_of(&places, "203.0.113.5").len(), 0);
        let here = all_of(&places, "127.0.0.1");
        assert_eq!(here.len(), 1, "the very last is for this machine");
        assert_eq!(all_of(&places, "::1").len(), 0, "none is left");
        drop((greedy, second, newcomers, here));
        assert_eq!(places.taken.lock().all, 0);
        assert!(places.taken.lock().by_address.is_empty(), "who has gone is forgotten");
        assert_eq!(all_of(&places, "::ffff:127.0.0.1").len(), 12, "this machine may have all of them");
    }

    #[test]
    fn a_household_is_one_address() {
        let places = places(100);
        let first = all_of(&places, "2001:db8::1");
        assert_eq!((first.len(), all_of(&places, "2001:db8::2").len()), (5, 0));
        assert_eq!(all_of(&places, "2001:db8:0:1::1").len(), 5);
    }

    #[tokio::test]
    async fn who_waits_for_a_place_hears_of_one() {
        use futures_util::FutureExt as _;
        let places = places(1);
        let here = places.take("127.0.0.1".parse().unwrap()).unwrap();
        assert!(places.any_free().now_or_never().is_none());
        drop(here);
        assert!(places.any_free().now_or_never().is_some());
    }
}
