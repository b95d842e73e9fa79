//! W3C trace context: one trace id for a move, whichever process and whichever attempt speaks of it. Pure: ids are
//! derived, so that a retry, a restart and another server find the same. Source: <https://www.w3.org/TR/trace-context/>.

use std::fmt;

use crate::{ImageId, JobId, Sha256};

/// What a trace is called: 16 bytes, not all 0, shown as 32 hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TraceId([u8; 16]);

/// A place in a trace, as `traceparent` carries it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Trace {
    id: TraceId,
    span: [u8; 8],
    flags: u8,
}

/// Version 00, the only one that there is; what a later one adds at the end is not read.
const LENGTH: usize = "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01".len();
const SAMPLED: u8 = 1;

impl Trace {
    /// That of a job: the same for each attempt of it and whoever derives it. Jobs of one number in two clusters have
    /// the same too.
    #[must_use]
    pub fn of_job(job: JobId) -> Self {
        Self::derived(&format!("pixelfox job {job}"))
    }

    /// That of an upload whose sender gave none: the same whenever its record is asked for.
    #[must_use]
    pub fn of_upload(image: ImageId) -> Self {
        Self::derived(&format!("pixelfox upload {image}"))
    }

    /// A new one, from `seed`, which nobody else has.
    #[must_use]
    pub fn of_seed(seed: u128) -> Self {
        Self::derived(&format!("pixelfox seed {seed}"))
    }

    /// From a `traceparent`; `None` where it is none, which the specification wants treated as if there were none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let rest_is_ours = match (text.get(..2)?, text.get(LENGTH..)?) {
            ("ff", _) => false,
            ("00", rest) => rest.is_empty(),
            (_, rest) => rest.is_empty() || rest.starts_with('-'),
        };
        let mut parts = text[..LENGTH].split('-');
        let (version, id, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let ([_], id, span, [flags]) = (hex(version)?, hex(id)?, hex(span)?, hex(flags)?);
        let is_one = rest_is_ours && parts.next().is_none() && id != [0; 16] && span != [0; 8];
        is_one.then_some(Self { id: TraceId(id), span, flags })
    }

    /// The next place in the same trace: `step` says which.
    #[must_use]
    pub fn child(&self, step: &str) -> Self {
        let Self { span, .. } = Self::derived(&format!("{self} {step}"));
        Self { span, ..*self }
    }

    /// What all places of it have.
    #[must_use]
    pub const fn id(&self) -> TraceId {
        self.id
    }

    /// Ids out of a digest. That either is 0 does not happen.
    fn derived(text: &str) -> Self {
        let digest = Sha256::of(text.as_bytes());
        let (mut id, mut span) = ([0; 16], [0; 8]);
        id.copy_from_slice(&digest.as_bytes()[..16]);
        span.copy_from_slice(&digest.as_bytes()[16..24]);
        Self { id: TraceId(id), span, flags: SAMPLED }
    }
}

/// Lower-case hex digits, as many as `N` bytes have.
fn hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let is_hex = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if !is_hex || text.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, at) in bytes.iter_mut().zip((0..).step_by(2)) {
        *byte = u8::from_str_radix(text.get(at..at + 2)?, 16).ok()?;
    }
    Some(bytes)
}

fn show(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show(&self.0, f)
    }
}

impl fmt::Display for Trace {
    /// As `traceparent` has it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{}-", self.id)?;
        show(&self.span, f)?;
        write!(f, "-{:02x}", self.flags)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn what_is_a_traceparent() {
        for (why, text, is_one) in [
            ("the specification's own", ONE, true),
            ("not sampled", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00", true),
            ("a later version with more", "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what", true),
            ("version 00 with more", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what", false),
            ("a later version with more digits", "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-011", false),
            ("version ff", "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", false),
            ("upper case", "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", false),
            ("no trace", "00-00000000000000000000000000000000-00f067aa0ba902b7-01", false),
            ("no span", "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", false),
            ("short", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7", false),
            ("signs for digits", "00-+bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", false),
            ("dashes elsewhere", "00-4bf92f3577b34da6a3ce929d0e0e473-600f067aa0ba902b7-01", false),
            ("letters of two bytes", "00-4bf92f3577b34da6a3ce929d0e0e473ä-00f067aa0ba902b-01", false),
            ("two bytes across the end", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0ä", false),
            ("empty", "", false),
        ] {
            assert_eq!(Trace::parse(text).is_some(), is_one, "{why}");
        }
        assert_eq!(Trace::parse(ONE).map(|trace| trace.to_string()).as_deref(), Some(ONE));
    }

    #[test]
    fn a_move_has_one_trace_and_each_step_a_place_of_its_own() {
        let job = |number| Trace::of_job(JobId::try_from(number).expect("an id"));
        let trace = job(7);
        assert_eq!(trace, job(7));
        assert_ne!(trace.id(), job(8).id());
        let (push, other) = (trace.child("push 1"), trace.child("push 2"));
        assert!(push.id() == trace.id() && other.id() == trace.id());
        assert!(push != trace && push != other && push == trace.child("push 1"));
        assert_eq!(Trace::parse(&push.to_string()), Some(push));
        assert_ne!(Trace::of_seed(1).id(), Trace::of_seed(2).id());
    }
}
