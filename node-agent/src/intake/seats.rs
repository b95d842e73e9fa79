//! Turns for senders who have not shown a token yet: few at once, and one an address, so that nobody alone can keep the
//! others out. Must not know what they send, nor how fast.

use std::{net::IpAddr, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::{rate::household, transfer::LeastRate};

/// Turns at once.
const SEATS: usize = 4;
/// How long one more waits for its turn.
const WAIT: Duration = Duration::from_secs(10);

/// How fast a sender without a token has to be, so that its turn ends: a minute, and its file's bytes at 100 kB/s.
pub(crate) const STRANGER_RATE: LeastRate = LeastRate { grace: Duration::from_secs(60), bytes_per_second: 100_000 };

/// All turns of a node.
#[derive(Debug, Default)]
pub(super) struct Seats {
    /// Whose they are; `None`: this machine's, which may have several.
    taken: Mutex<Vec<Option<IpAddr>>>,
    freed: Notify,
}

/// A turn, over when this is dropped.
#[derive(Debug)]
pub struct Seat {
    seats: Arc<Seats>,
    holder: Option<IpAddr>,
}

impl Seats {
    /// A turn for a sender at `address`; `None` where none is free for some seconds.
    pub(super) async fn wait(self: &Arc<Self>, address: IpAddr) -> Option<Seat> {
        let address = address.to_canonical();
        let holder = (!address.is_loopback()).then(|| household(address));
        let seat = async {
            loop {
                let freed = self.freed.notified(); // from here on a free turn is heard of
                if let Some(seat) = self.take(holder) {
                    return seat;
                }
                freed.await;
            }
        };
        tokio::time::timeout(WAIT, seat).await.ok()
    }

    fn take(self: &Arc<Self>, holder: Option<IpAddr>) -> Option<Seat> {
        let mut taken = self.taken.lock();
        if taken.len() >= SEATS || holder.is_some() && taken.contains(&holder) {
            return None;
        }
        taken.push(holder);
        Some(Seat { seats: Arc::clone(self), holder })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.taken.lock();
        if let Some(index) = taken.iter().position(|holder| *holder == self.holder) {
            taken.swap_remove(index);
        }
        drop(taken);
        self.seats.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn seat(seats: &Arc<Seats>, address: &str) -> Option<Seat> {
        seats.wait(address.parse().unwrap()).await
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_has_one_turn_and_all_together_have_four() {
        let seats = Arc::<Seats>::default();
        let first = seat(&seats, "203.0.113.1").await.expect("the first of its address");
        assert!(seat(&seats, "203.0.113.1").await.is_none(), "its second");
        let network = seat(&seats, "2001:db8::1").await.expect("the first of its network");
        assert!(seat(&seats, "2001:db8::2").await.is_none(), "a household is one address");
        let here = [seat(&seats, "127.0.0.1").await, seat(&seats, "::1").await];
        assert!(here.iter().all(Option::is_some), "this machine may have several");
        assert!(seat(&seats, "203.0.113.2").await.is_none(), "all four are taken");
        let (waits, ()) = tokio::join!(seat(&seats, "203.0.113.2"), async {
            tokio::task::yield_now().await;
            drop(first);
        });
        assert!(waits.is_some(), "its turn came while it waited");
        drop((network, here, waits));
        assert!(seats.taken.lock().is_empty());
    }
}
