//! Which of the servers that share the books are gone. Pure: times are the database's, in milliseconds, and come in.

/// Milliseconds between two signs of life. One takes longer where the database is away, or where another transaction
/// holds the writers up: then nobody can give any.
pub const SIGN_EVERY_MILLIS: u64 = 5_000;
/// A longer pause between two signs of its own tells a server that it could not give any.
const GAP_MILLIS: i64 = 10_000;
/// Who was silent for so long, while another could speak all the time, is gone.
const SILENCE_MILLIS: i64 = 30_000;

/// A server's own signs of life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Presence {
    /// Since when they have come without a gap.
    pub since: i64,
    /// The last one.
    pub seen: i64,
}

impl Presence {
    /// With a further sign, now. After a gap, or where there was none before (it is new here, or was taken out by
    /// another), it begins anew.
    #[must_use]
    pub fn renewed(before: Option<Self>, now: i64) -> Self {
        let unbroken = before.filter(|before| now - before.seen <= GAP_MILLIS);
        Self { since: unbroken.map_or(now, |before| before.since), seen: now }
    }

    /// Whether there was no sign for a while before this one.
    #[must_use]
    pub const fn begins_anew(self) -> bool {
        self.since == self.seen
    }

    /// Servers whose last sign is older are gone. `None`: their silence proves nothing yet, they may have had no way to
    /// break it, as this one had none.
    #[must_use]
    pub fn gone_before(self) -> Option<i64> {
        let edge = self.seen - SILENCE_MILLIS;
        (self.since <= edge).then_some(edge)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Signs at these seconds; the last sign of the other server that is taken for gone after the last of them.
    fn after(signs: &[i64]) -> Option<i64> {
        let renewed = |before, at: &i64| Some(Presence::renewed(before, at * 1_000));
        signs.iter().fold(None, renewed).and_then(Presence::gone_before).map(|edge| edge / 1_000)
    }

    #[test]
    fn whose_silence_proves_that_it_is_gone() {
        let steady: Vec<i64> = (0..=60).step_by(5).collect();
        let late = |gap: i64| [steady.clone(), vec![60 + gap]].concat();
        for (why, signs, want) in [
            ("it has only come", vec![100], None),
            ("it has not been here for long enough", (0..=25).step_by(5).collect(), None),
            ("it could speak all the time", (0..=30).step_by(5).collect(), Some(0)),
            ("for a minute", steady.clone(), Some(30)),
            ("a late sign is no gap", late(10), Some(40)),
            ("the database was away, or a long transaction held everyone up", late(11), None),
            ("for an hour", late(3_600), None),
            ("and shortly after that", [late(3_600), vec![3_665, 3_670]].concat(), None),
            ("again for long enough", (0..=10).chain((60..=90).step_by(10)).collect(), Some(60)),
        ] {
            assert_eq!(after(&signs), want, "{why}");
        }
    }

    #[test]
    fn of_two_that_could_not_speak_neither_takes_the_other_for_gone() {
        // Both give signs each five seconds, the second one a little later; for a while (of any length, beginning at any
        // time) neither can. Whoever comes first afterwards, the other one stays.
        for away in (0..120_000).step_by(700) {
            for begin in (60_000..66_000).step_by(450) {
                let speaks = |offset: i64| {
                    let before = (0..begin).step_by(5_000).map(move |at| at + offset);
                    let back = begin + away;
                    before
                        .filter(move |at| *at < begin)
                        .chain((back..back + 60_000).step_by(5_000).map(move |at| at + offset))
                };
                let mut signs: Vec<(i64, usize)> =
                    speaks(0).map(|at| (at, 0)).chain(speaks(1_300).map(|at| (at, 1))).collect();
                signs.sort_unstable();
                let mut servers: [Option<Presence>; 2] = [None; 2];
                for (at, who) in signs {
                    let presence = Presence::renewed(servers[who], at);
                    servers[who] = Some(presence);
                    let other = servers[1 - who].map_or(at, |other| other.seen);
                    let is_gone = presence.gone_before().is_some_and(|edge| other < edge);
                    assert!(!is_gone, "away for {away} from {begin}: taken for gone at {at}");
                }
            }
        }
    }
}
