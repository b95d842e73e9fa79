//! Seats of those who watch: so many in all, and so many for each who asks, so that nobody takes those of the others.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;

use crate::catalog::Actor;

/// Watchers at once, over all connections.
const ALL: usize = 64;
/// Of one account, or of all who have the token.
const OWN: usize = 32;

/// Who watches how often. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(super) struct Seats(Arc<Mutex<HashMap<Actor, usize>>>);

/// Why there is no seat, with how many there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    /// Every seat is taken.
    All(usize),
    /// This one has as many as it may.
    Own(usize),
}

/// Free again when it is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    seats: Seats,
    actor: Actor,
}

impl Seats {
    pub(super) fn take(&self, actor: &Actor) -> Result<Seat, Full> {
        let mut taken = self.0.lock();
        if taken.get(actor).is_some_and(|own| *own >= OWN) {
            return Err(Full::Own(OWN));
        }
        if taken.values().sum::<usize>() >= ALL {
            return Err(Full::All(ALL));
        }
        *taken.entry(actor.clone()).or_default() += 1;
        Ok(Seat { seats: self.clone(), actor: actor.clone() })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.0.lock();
        if let Some(own) = taken.get_mut(&self.actor) {
            *own -= 1;
            if *own == 0 {
                taken.remove(&self.actor);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_takes_the_seats_of_others() {
        let account = |name: &str| Actor::Account(name.parse().unwrap());
        let (anna, ben) = (account("anna"), account("ben"));
        let seats = Seats::default();
        let mut held: Vec<_> = (0..OWN).map(|_| seats.take(&anna).unwrap()).collect();
        assert_eq!(seats.take(&anna).unwrap_err(), Full::Own(OWN));
        held.extend((0..ALL - OWN).map(|_| seats.take(&ben).unwrap()));
        assert_eq!(seats.take(&Actor::Token).unwrap_err(), Full::All(ALL));
        drop(held.pop());
        let token = seats.take(&Actor::Token);
        assert!(token.is_ok(), "a seat that was left is free");
        drop((held, token));
        assert!(seats.0.lock().is_empty(), "nothing is kept of who left");
    }
}
