//! Tries to sign in, counted by account and by address: after a few, each further one has to wait longer. A try counts
//! when it begins, so that many at once are no way around it, and is given back when it was right. Where somebody signed
//! in of late, an account is open whatever others try elsewhere: nobody can lock its owner out.

use std::{collections::HashMap, hash::Hash, net::IpAddr};

/// Failures that cost no wait.
const FREE: u32 = 5;
/// The wait after the first failure that costs one; each further one doubles it.
const FIRST_WAIT_MILLIS: u64 = 1000;
/// An account waits no longer than this: whoever tries its password must not keep its owner out.
const ACCOUNT_WAIT_MILLIS: u64 = 30 * 1000;
/// An address waits no longer than this.
const ADDRESS_WAIT_MILLIS: u64 = 15 * 60 * 1000;
/// Without a try for so long, what was is forgotten.
const FORGOTTEN_MILLIS: u64 = 30 * 60 * 1000;
/// An account is known at an address for so long after a sign-in there.
const KNOWN_MILLIS: u64 = 30 * 24 * 3600 * 1000;
/// Accounts, and addresses, that are remembered at most.
const REMEMBERED: usize = 10_000;

/// An address as tries are counted by it: IPv4 whole, IPv6 by its /64, which is what one customer has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Seat(u64, Family);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Family {
    V4,
    V6,
}

impl From<IpAddr> for Seat {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self(u64::from(u32::from(address)), Family::V4),
            IpAddr::V6(address) => {
                let [high, ..] = split(u128::from(address));
                Self(high, Family::V6)
            }
        }
    }
}

fn split(bits: u128) -> [u64; 2] {
    let half = |bytes: &[u8]| bytes.try_into().map_or(0, u64::from_be_bytes);
    let bytes = bits.to_be_bytes();
    [half(&bytes[..8]), half(&bytes[8..])]
}

/// Who has tried how often. Times are milliseconds of any clock that never goes back.
#[derive(Debug, Default)]
pub struct Tries {
    accounts: Counts<Box<str>>,
    addresses: Counts<Seat>,
    /// When somebody last signed in there.
    known: HashMap<(Box<str>, Seat), u64>,
}

impl Tries {
    /// A try begins: it counts until [`Tries::was_right`]. `account` is the name as it was typed, in normal form; whether
    /// there is one of that name makes no difference.
    ///
    /// # Errors
    /// Milliseconds to wait. Then the try did not count, and is not to be made.
    pub fn begin(&mut self, account: &str, address: Option<Seat>, now: u64) -> Result<(), u64> {
        let is_known = address.is_some_and(|seat| self.is_known(account, seat, now));
        let by_account = if is_known { 0 } else { self.accounts.wait(account, ACCOUNT_WAIT_MILLIS, now) };
        let by_address = address.map_or(0, |seat| self.addresses.wait(&seat, ADDRESS_WAIT_MILLIS, now));
        match by_account.max(by_address) {
            0 => {
                self.accounts.count(account.into(), now);
                if let Some(seat) = address {
                    self.addresses.count(seat, now);
                }
                Ok(())
            }
            wait => Err(wait),
        }
    }

    /// The password was right: the account starts anew, its try does not count for the address.
    pub fn was_right(&mut self, account: &str, address: Option<Seat>, now: u64) {
        if let Some(seat) = address {
            self.know(account, seat, now);
        }
        self.accounts.forget(account);
        self.did_not_count(account, address);
    }

    fn is_known(&self, account: &str, seat: Seat, now: u64) -> bool {
        let place: (Box<str>, Seat) = (account.into(), seat);
        let since = self.known.get(&place).map(|last| now.saturating_sub(*last));
        since.is_some_and(|since| since < KNOWN_MILLIS)
    }

    fn know(&mut self, account: &str, seat: Seat, now: u64) {
        if self.known.len() >= REMEMBERED {
            self.known.retain(|_, last| now.saturating_sub(*last) < KNOWN_MILLIS);
            if self.known.len() >= REMEMBERED
                && let Some(oldest) = self.known.iter().min_by_key(|(_, last)| **last).map(|(key, _)| key.clone())
            {
                self.known.remove(&oldest);
            }
        }
        self.known.insert((account.into(), seat), now);
    }

    /// Nothing came of the try, through no fault of who made it.
    pub fn did_not_count(&mut self, account: &str, address: Option<Seat>) {
        self.accounts.give_back(account);
        if let Some(seat) = address {
            self.addresses.give_back(&seat);
        }
    }
}

/// Failures by key, bounded.
#[derive(Debug)]
struct Counts<K>(HashMap<K, Count>);

impl<K> Default for Counts<K> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

#[derive(Clone, Copy, Debug)]
struct Count {
    failures: u32,
    last: u64,
}

impl Count {
    fn wait_millis(self, most: u64) -> u64 {
        match self.failures.checked_sub(FREE) {
            None => 0,
            Some(beyond) => FIRST_WAIT_MILLIS.checked_shl(beyond.min(32)).map_or(most, |wait| wait.min(most)),
        }
    }
}

impl<K: Eq + Hash + Clone> Counts<K> {
    fn wait<Q>(&self, key: &Q, most: u64, now: u64) -> u64
    where
        K: std::borrow::Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        let Some(count) = self.0.get(key) else { return 0 };
        let since = now.saturating_sub(count.last);
        if since >= FORGOTTEN_MILLIS { 0 } else { count.wait_millis(most).saturating_sub(since) }
    }

    fn count(&mut self, key: K, now: u64) {
        if !self.0.contains_key(&key) && self.0.len() >= REMEMBERED {
            self.make_room(now);
        }
        let count = self.0.entry(key).or_insert(Count { failures: 0, last: now });
        if now.saturating_sub(count.last) >= FORGOTTEN_MILLIS {
            count.failures = 0;
        }
        *count = Count { failures: count.failures.saturating_add(1), last: now };
    }

    /// What is forgotten goes, else the one with the fewest failures, the oldest of those: names that are made up do not
    /// push out one that is tried again and again.
    fn make_room(&mut self, now: u64) {
        self.0.retain(|_, count| now.saturating_sub(count.last) < FORGOTTEN_MILLIS);
        if self.0.len() >= REMEMBERED
            && let Some(key) =
                self.0.iter().min_by_key(|(_, count)| (count.failures, count.last)).map(|(key, _)| key.clone())
        {
            self.0.remove(&key);
        }
    }

    fn give_back<Q>(&mut self, key: &Q)
    where
        K: std::borrow::Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        if let Some(count) = self.0.get_mut(key) {
            count.failures = count.failures.saturating_sub(1);
            if count.failures == 0 {
                self.0.remove(key);
            }
        }
    }

    fn forget<Q>(&mut self, key: &Q)
    where
        K: std::borrow::Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        self.0.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seat(text: &str) -> Option<Seat> {
        Some(text.parse::<IpAddr>().unwrap().into())
    }

    #[test]
    fn five_tries_then_slower_by_account_and_by_address() {
        // The same name from ever other addresses, then ever other names from one address.
        let mut tries = Tries::default();
        for n in 0..5 {
            assert_eq!(tries.begin("admin", seat(&format!("10.0.0.{n}")), 0), Ok(()), "try {n}");
        }
        assert_eq!(tries.begin("admin", seat("10.0.0.9"), 0), Err(1000));
        assert_eq!(tries.begin("admin", seat("10.0.0.9"), 400), Err(600));
        assert_eq!(tries.begin("admin", seat("10.0.0.9"), 1000), Ok(()), "it has waited");
        assert_eq!(tries.begin("admin", seat("10.0.0.9"), 1000), Err(2000), "and waits twice as long");

        let mut tries = Tries::default();
        for n in 0..5 {
            assert_eq!(tries.begin(&format!("name {n}"), seat("2001:db8::1"), 0), Ok(()), "try {n}");
        }
        assert_eq!(tries.begin("another", seat("2001:db8::ffff:1"), 0), Err(1000), "the same customer");
        assert_eq!(tries.begin("another", seat("2001:db8:0:1::1"), 0), Ok(()), "another one");
    }

    #[test]
    fn an_account_waits_half_a_minute_at_most_and_is_forgotten() {
        let mut tries = Tries::default();
        let mut now = 0;
        for n in 0..40_u32 {
            let address = seat(&format!("10.0.{n}.1"));
            if let Err(wait) = tries.begin("admin", address, now) {
                assert!(wait <= 30_000, "{wait}");
                now += wait;
                assert_eq!(tries.begin("admin", address, now), Ok(()));
            }
        }
        assert!(tries.begin("admin", None, now).is_err());
        assert_eq!(tries.begin("admin", None, now + FORGOTTEN_MILLIS), Ok(()));
        assert_eq!(tries.begin("admin", None, now + FORGOTTEN_MILLIS), Ok(()), "five are free again");
    }

    #[test]
    fn many_at_once_are_no_way_around_it() {
        // Each counts when it begins, before anybody knows whether it is right.
        let mut tries = Tries::default();
        let began = (0..100).filter(|_| tries.begin("admin", seat("10.0.0.1"), 0).is_ok()).count();
        assert_eq!(began, 5);
    }

    #[test]
    fn who_was_right_starts_anew() {
        let mut tries = Tries::default();
        for _ in 0..4 {
            tries.begin("admin", seat("10.0.0.1"), 0).unwrap();
        }
        for _ in 0..20 {
            assert_eq!(tries.begin("admin", seat("10.0.0.1"), 0), Ok(()));
            tries.was_right("admin", seat("10.0.0.1"), 0);
        }
        // The address keeps what it had: an account of one's own is no way to try that of others without end.
        tries.begin("root", seat("10.0.0.1"), 0).unwrap();
        assert!(tries.begin("root", seat("10.0.0.1"), 0).is_err());
    }

    #[test]
    fn nobody_locks_the_owner_out_of_where_they_sign_in() {
        // Others try the account from everywhere, all the time; only where its owner was let in before it stays open,
        // and there too an address that fails waits.
        let mut tries = Tries::default();
        tries.begin("admin", seat("10.0.0.1"), 0).unwrap();
        tries.was_right("admin", seat("10.0.0.1"), 0);
        for n in 0..5 {
            tries.begin("admin", seat(&format!("10.0.1.{n}")), 1).unwrap();
        }
        assert_eq!(tries.begin("admin", seat("10.0.2.1"), 1), Err(1000), "where nobody knows it");
        assert_eq!(tries.begin("admin", None, 1), Err(1000));
        for n in 0..5 {
            assert_eq!(tries.begin("admin", seat("10.0.0.1"), 1), Ok(()), "try {n}");
        }
        assert_eq!(tries.begin("admin", seat("10.0.0.1"), 1), Err(1000), "its own failures count");
        tries.was_right("root", seat("10.0.3.1"), 1);
        assert!(tries.begin("admin", seat("10.0.3.1"), 1).is_err(), "another account's place is not its own");
        let much_later = KNOWN_MILLIS;
        for n in 0..5 {
            tries.begin("admin", seat(&format!("10.0.4.{n}")), much_later).unwrap();
        }
        assert!(tries.begin("admin", seat("10.0.0.1"), much_later).is_err(), "forgotten");
    }

    #[test]
    fn memory_is_bounded_and_made_up_names_push_nobody_out() {
        let mut tries = Tries::default();
        for _ in 0..5 {
            tries.begin("admin", None, 0).unwrap();
        }
        for n in 0..3 * u64::try_from(REMEMBERED).unwrap() {
            let address: IpAddr = std::net::Ipv6Addr::from(u128::from(n) << 64).into();
            tries.begin(&format!("made up {n}"), Some(address.into()), 1).unwrap();
        }
        assert_eq!((tries.accounts.0.len(), tries.addresses.0.len()), (REMEMBERED, REMEMBERED));
        assert!(tries.begin("admin", None, 1).is_err(), "still known");
        for n in 0..u64::try_from(REMEMBERED).unwrap() + 50 {
            let address: IpAddr = std::net::Ipv6Addr::from(u128::from(n) << 64).into();
            tries.was_right("admin", Some(address.into()), n);
        }
        assert_eq!(tries.known.len(), REMEMBERED);
    }
}
