//! Wire types to domain values and back, whole objects. Inward checks, outward can't fail. No other room of this
//! crate names a generated type.

pub(super) mod account;
pub(super) mod finding;
pub(super) mod image;
pub(super) mod job;
pub(super) mod key;
pub(super) mod node;
mod orders;
pub(super) mod overview;
pub(super) mod pool;
mod probe;
pub(super) mod settings;
pub(super) mod upload;
pub(super) mod watch;

use pixelfox_proto::{Fault, text};
use prost_types::Timestamp;

use crate::catalog::UnixMillis;

/// A point in time as protobuf has it.
fn timestamp(at: UnixMillis) -> Timestamp {
    let nanos = i32::try_from(at.0.rem_euclid(1000) * 1_000_000).unwrap_or(0);
    Timestamp { seconds: at.0.div_euclid(1000), nanos }
}

/// One of a list of words, `None` where it is empty.
fn word<T: Copy>(
    given: &str,
    field: &str,
    parse: impl Fn(&str) -> Option<T>,
    all: &[T],
    name: impl Fn(T) -> &'static str,
) -> Result<Option<T>, Fault> {
    if given.is_empty() {
        return Ok(None);
    }
    let known = || all.iter().map(|it| name(*it)).collect::<Vec<_>>().join(", ");
    let unknown = || {
        Fault::bad_request(text!(
            de "{field}: „{}“ ist keines von {}",
            en "{field}: `{}` is none of {}",
            given.escape_debug(),
            known()
        ))
    };
    parse(given).map(Some).ok_or_else(unknown)
}

/// A point in time as the books have it.
fn millis(at: Timestamp) -> UnixMillis {
    UnixMillis(at.seconds.saturating_mul(1000).saturating_add(i64::from(at.nanos / 1_000_000)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_before_1970_has_positive_nanos() {
        // protobuf counts nanos forward from the second, also for negative times.
        assert_eq!(timestamp(UnixMillis(-1)), Timestamp { seconds: -1, nanos: 999_000_000 });
        assert_eq!(timestamp(UnixMillis(1_500)), Timestamp { seconds: 1, nanos: 500_000_000 });
        for at in [UnixMillis(-1), UnixMillis(-1_500), UnixMillis(1_500)] {
            assert_eq!(millis(timestamp(at)), at);
        }
    }
}
