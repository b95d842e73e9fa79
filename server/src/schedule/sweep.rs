//! Which jobs under way have come to a standstill. Pure: times are monotonic and come in.

use std::collections::HashMap;
use std::time::Duration;

use pixelfox_proto::Lease;

/// What the sweeper remembers from one look to the next.
#[derive(Debug, Default)]
pub struct Standstill {
    /// Leases of which nobody has any news: since when they were seen.
    unheard: HashMap<Lease, Duration>,
}

impl Standstill {
    /// Those of the leases `held` that had no progress for `after`, each with how long that is. `progress` is when each
    /// was leased or last had news of its bytes; one that is not in it counts from the first look that saw it. All times
    /// since the same moment.
    #[must_use]
    pub fn stuck(
        &mut self,
        held: &[Lease],
        progress: &HashMap<Lease, Duration>,
        now: Duration,
        after: Duration,
    ) -> Vec<(Lease, Duration)> {
        let before = std::mem::take(&mut self.unheard);
        let mut stuck = Vec::new();
        for lease in held {
            let since = progress.get(lease).copied().unwrap_or_else(|| {
                let since = before.get(lease).copied().unwrap_or(now);
                self.unheard.insert(*lease, since);
                since
            });
            let age = now.saturating_sub(since);
            if age >= after {
                stuck.push((*lease, age));
            }
        }
        stuck
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn who_has_come_to_a_standstill() {
        // Ten minutes are the limit. Leased at 0; news at these times; looked at then.
        for (why, news, now, want) in [
            ("young", 0, 599, None),
            ("leased long ago, never a word", 0, 612, Some(612)),
            ("a slow large file that still flows", 7_000, 7_300, None),
            ("flowed once, and then no more", 7_000, 7_600, Some(600)),
        ] {
            let progress = HashMap::from([(Lease(1), at(news))]);
            let stuck = Standstill::default().stuck(&[Lease(1)], &progress, at(now), at(600));
            assert_eq!(stuck.first().map(|(_, age)| age.as_secs()), want, "{why}");
        }
    }

    #[test]
    fn a_lease_that_nobody_works_on_counts_from_the_first_look() {
        // Seen at 100 for the first time; forgotten when it is gone, so that it starts over when it comes back.
        let (mut standstill, nobody) = (Standstill::default(), HashMap::new());
        let mut look = |held: &[Lease], now| standstill.stuck(held, &nobody, at(now), at(600)).len();
        assert_eq!([look(&[Lease(1)], 100), look(&[Lease(1)], 699), look(&[Lease(1)], 700)], [0, 0, 1]);
        assert_eq!([look(&[], 701), look(&[Lease(1)], 702), look(&[Lease(1)], 1301)], [0, 0, 0]);
    }
}
