//! How many failed sign-ins the audit hears of: some at once, then one a minute. Whoever fails without end must not fill
//! the books; what is left out is counted in the next row.

/// Rows at once.
const AT_ONCE: u32 = 30;
/// Between two further ones.
const EVERY_MILLIS: u64 = 60 * 1000;

/// What was noted. Times are milliseconds of any clock that never goes back.
#[derive(Debug)]
pub struct FailureRows {
    left: u32,
    since: u64,
    unsaid: u64,
}

impl Default for FailureRows {
    fn default() -> Self {
        Self { left: AT_ONCE, since: 0, unsaid: 0 }
    }
}

impl FailureRows {
    /// A sign-in failed. `Some`: it gets a row, which says how many before it got none.
    pub fn next(&mut self, now: u64) -> Option<u64> {
        let gained = now.saturating_sub(self.since) / EVERY_MILLIS;
        self.since = self.since.saturating_add(gained * EVERY_MILLIS);
        self.left = u32::try_from(gained).map_or(AT_ONCE, |gained| self.left.saturating_add(gained).min(AT_ONCE));
        match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                Some(std::mem::take(&mut self.unsaid))
            }
            None => {
                self.unsaid += 1;
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thirty_at_once_then_one_a_minute() {
        let mut rows = FailureRows::default();
        assert_eq!((0..1000).filter(|_| rows.next(5).is_some()).count(), 30);
        assert_eq!(rows.next(EVERY_MILLIS - 1), None);
        assert_eq!(rows.next(EVERY_MILLIS), Some(971), "and says what got none");
        assert_eq!(rows.next(EVERY_MILLIS), None);
        let day = 24 * 60 * EVERY_MILLIS;
        assert_eq!((0..1000).filter(|_| rows.next(day).is_some()).count(), 30, "no more is saved up");
    }
}
