//! How many uploads somebody has made in the last minute, and whether one more is too many. Bounded memory, O(1) an
//! upload; the time is an argument. Who counts as whom is said here, the limits are the cluster's settings.

use std::{
    collections::{HashMap, VecDeque},
    net::{IpAddr, Ipv6Addr},
    time::Duration,
};

use parking_lot::Mutex;
use pixelfox_proto::{Fault, FaultKind};
use tokio::time::Instant;

/// A limit is so many uploads in this time, from the first of them on.
const WINDOW: Duration = Duration::from_secs(60);
/// Windows that are kept at most. Where there are more, the oldest is forgotten, and its owner begins anew.
const MOST_WINDOWS: usize = 100_000;

/// Whose uploads are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Payer {
    /// A user: of a token, a key or a login.
    User(u64),
    /// Uploads without a user from this address. What one household gets of IPv6 (64 bits) is one address.
    Address(IpAddr),
}

impl Payer {
    /// The user, else the address.
    #[must_use]
    pub fn of(user_id: u64, address: IpAddr) -> Self {
        match user_id {
            0 => Self::Address(household(address)),
            user => Self::User(user),
        }
    }

    const fn scope(self) -> &'static str {
        match self {
            Self::User(_) => "user",
            Self::Address(_) => "ip",
        }
    }
}

/// The address that everything from `address` counts for: what one household gets of IPv6 (64 bits) is one.
#[must_use]
pub fn household(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from(u128::from(address) >> 64 << 64).into(),
        address @ IpAddr::V4(_) => address,
    }
}

/// Uploads per minute; 0: no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RateLimits {
    /// Of an address, for uploads without a user.
    pub per_ip: u32,
    /// Of a user.
    pub per_user: u32,
}

impl RateLimits {
    const fn of(self, payer: Payer) -> u32 {
        match payer {
            Payer::User(_) => self.per_user,
            Payer::Address(_) => self.per_ip,
        }
    }
}

/// One more was too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{count} uploads within a minute: {limit} are allowed per {scope}")]
pub struct TooMany {
    scope: &'static str,
    limit: u32,
    count: u32,
    ttl_seconds: u32,
}

impl From<TooMany> for Fault {
    fn from(it: TooMany) -> Self {
        Self::new(FaultKind::TooManyRequests, it.to_string())
            .retry_after(it.ttl_seconds)
            .with_header("x-rate-limit-scope", &it.scope)
            .with_header("x-rate-limit", &format!("{}/min", it.limit))
            .with_header("x-rate-count", &it.count)
            .with_header("x-rate-ttl", &it.ttl_seconds)
    }
}

/// Counts uploads. Shared by every way in of one process.
#[derive(Debug, Default)]
pub struct Limiter {
    rates: Mutex<Rates>,
}

impl Limiter {
    /// Counts one more upload of `payer`, whether or not it may be made.
    ///
    /// # Errors
    /// [`TooMany`], with when the next one may be made.
    pub fn count(&self, payer: Payer, limits: RateLimits) -> Result<(), TooMany> {
        match limits.of(payer) {
            0 => Ok(()),
            limit => self.rates.lock().count(payer, limit, Instant::now()),
        }
    }
}

#[derive(Debug, Default)]
struct Rates {
    windows: HashMap<Payer, Window>,
    /// When each ends, oldest first: all are of one length.
    ends: VecDeque<(Instant, Payer)>,
}

#[derive(Clone, Copy, Debug)]
struct Window {
    end: Instant,
    count: u32,
}

impl Rates {
    fn count(&mut self, payer: Payer, limit: u32, now: Instant) -> Result<(), TooMany> {
        while self.ends.front().is_some_and(|(end, _)| *end <= now) || self.ends.len() > MOST_WINDOWS {
            self.forget_oldest();
        }
        let ends = &mut self.ends;
        let window = self.windows.entry(payer).or_insert_with(|| {
            let end = now + WINDOW;
            ends.push_back((end, payer));
            Window { end, count: 0 }
        });
        window.count = window.count.saturating_add(1);
        if window.count <= limit {
            return Ok(());
        }
        let left = window.end.duration_since(now);
        let ttl_seconds = u32::try_from(left.as_millis().div_ceil(1000)).unwrap_or(u32::MAX).max(1);
        Err(TooMany { scope: payer.scope(), limit, count: window.count, ttl_seconds })
    }

    fn forget_oldest(&mut self) {
        if let Some((_, payer)) = self.ends.pop_front() {
            self.windows.remove(&payer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn one_more_than_the_limit_is_too_many_until_the_minute_is_over() {
        let (mut rates, start) = (Rates::default(), Instant::now());
        let user = Payer::User(7);
        for second in 0..3 {
            assert_eq!(rates.count(user, 3, at(start, second)), Ok(()));
        }
        let refused = TooMany { scope: "user", limit: 3, count: 4, ttl_seconds: 50 };
        assert_eq!(rates.count(user, 3, at(start, 10)), Err(refused));
        assert_eq!(rates.count(Payer::User(8), 3, at(start, 10)), Ok(()), "another user");
        assert_eq!(rates.count(user, 9, at(start, 11)), Ok(()), "a raised limit counts at once");
        assert_eq!(rates.count(user, 2, at(start, 59)).unwrap_err().ttl_seconds, 1);
        assert_eq!(rates.count(user, 1, at(start, 60)), Ok(()));
    }

    #[test]
    fn a_payer_is_a_user_or_a_network() {
        let of = |address: &str| Payer::of(0, address.parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:10.0.0.7"), of("10.0.0.7"));
        assert_ne!(of("10.0.0.7"), of("10.0.0.8"));
        assert_eq!(Payer::of(3, "10.0.0.7".parse().unwrap()), Payer::User(3));
    }

    #[test]
    fn memory_is_bounded() {
        let (mut rates, start) = (Rates::default(), Instant::now());
        for user in 1..=u64::try_from(MOST_WINDOWS).unwrap() + 500 {
            assert_eq!(rates.count(Payer::User(user), 1, start), Ok(()));
        }
        assert!(rates.windows.len() <= MOST_WINDOWS + 1 && rates.ends.len() == rates.windows.len());
        assert!(rates.count(Payer::User(u64::try_from(MOST_WINDOWS).unwrap()), 1, start).is_err());
        assert_eq!(rates.count(Payer::User(1), 1, at(start, 60)), Ok(()));
        assert_eq!((rates.windows.len(), rates.ends.len()), (1, 1), "what is over is forgotten");
    }

    #[test]
    fn a_refusal_says_when_and_what() {
        use axum::response::IntoResponse as _;
        let response = Fault::from(TooMany { scope: "ip", limit: 60, count: 61, ttl_seconds: 42 }).into_response();
        let header = |name: &str| response.headers()[name].to_str().unwrap();
        assert_eq!(response.status().as_u16(), 429);
        let said = ["retry-after", "x-rate-limit-scope", "x-rate-limit", "x-rate-count", "x-rate-ttl"].map(header);
        assert_eq!(said, ["42", "ip", "60/min", "61", "42"]);
    }
}
