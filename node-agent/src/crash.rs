//! Named crash points for tests: places where a process ends at once, as by `kill -9`, when the test has chosen them, or
//! stands still until the test lets it go on.
//!
//! Only builds with the feature `crash-points` have them; in all others [`crash_point!`](crate::crash_point) is nothing
//! at all, not even its name. How to add one: CONTRIBUTING.md.

/// Ends this process here, without unwinding or clean-up, or stops it, if the test that started it has chosen this point.
#[cfg(feature = "crash-points")]
#[macro_export]
macro_rules! crash_point {
    ($name:literal) => {
        $crate::crash::pass($name)
    };
}

/// Nothing: this build has no crash points.
#[cfg(not(feature = "crash-points"))]
#[macro_export]
macro_rules! crash_point {
    ($name:literal) => {{}};
}

#[cfg(feature = "crash-points")]
pub use chosen::{Chosen, arm, pass};

#[cfg(feature = "crash-points")]
mod chosen {
    use std::{
        str::FromStr,
        sync::{
            OnceLock,
            atomic::{AtomicU32, Ordering},
        },
    };

    use rustix::process::{Signal, getpid, kill_process};

    /// The point of this process, how often it is passed before the one that counts, and what happens then.
    #[derive(Debug)]
    pub struct Chosen {
        name: String,
        left: AtomicU32,
        signal: Signal,
    }

    static CHOSEN: OnceLock<Chosen> = OnceLock::new();

    impl FromStr for Chosen {
        type Err = String;

        /// `name` or `name:n`: it ends the n-th time that it comes by, counted from 1. `name:n:stop`: it stands still
        /// there, until SIGCONT.
        fn from_str(text: &str) -> Result<Self, String> {
            let (chosen, signal) = match text.strip_suffix(":stop") {
                Some(chosen) => (chosen, Signal::STOP),
                None => (text, Signal::KILL),
            };
            let (name, number) = chosen.split_once(':').unwrap_or((chosen, "1"));
            match number.parse() {
                Ok(left) if left > 0 => Ok(Self { name: name.to_owned(), left: AtomicU32::new(left), signal }),
                _ => {
                    Err(format!("`{text}` is not a crash point's name and a number from 1, `name:n` or `name:n:stop`"))
                }
            }
        }
    }

    /// Chooses where this process ends or stops. Only the first call counts.
    pub fn arm(chosen: Chosen) {
        drop(CHOSEN.set(chosen));
    }

    /// Comes by a point.
    pub fn pass(name: &str) {
        let Some(chosen) = CHOSEN.get().filter(|chosen| chosen.name == name) else { return };
        let before = chosen.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        if before == Ok(1) {
            eprintln!("crash point {name}");
            let sent = kill_process(getpid(), chosen.signal);
            assert!(chosen.signal == Signal::STOP, "a process that killed itself goes on: {sent:?}");
        }
    }
}
