//! Named crash points for tests: places where a process ends at once, as by `kill -9`, when the test has chosen them.
//!
//! Only builds with the feature `crash-points` have them; in all others [`crash_point!`](crate::crash_point) is nothing
//! at all, not even its name. How to add one: CONTRIBUTING.md.

/// Ends this process here, without unwinding or clean-up, if the test that started it has chosen this point.
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

    /// The point of this process, and how often it is passed before the one that ends it.
    #[derive(Debug)]
    pub struct Chosen {
        name: String,
        left: AtomicU32,
    }

    static CHOSEN: OnceLock<Chosen> = OnceLock::new();

    impl FromStr for Chosen {
        type Err = String;

        /// `name` or `name:n`: the n-th time it is passed, counted from 1.
        fn from_str(text: &str) -> Result<Self, String> {
            let (name, number) = text.split_once(':').unwrap_or((text, "1"));
            match number.parse() {
                Ok(left) if left > 0 => Ok(Self { name: name.to_owned(), left: AtomicU32::new(left) }),
                _ => Err(format!("`{text}` is not a crash point's name and a number from 1, `name:n`")),
            }
        }
    }

    /// Chooses where this process ends. Only the first call counts.
    pub fn arm(chosen: Chosen) {
        drop(CHOSEN.set(chosen));
    }

    /// Comes by a point.
    pub fn pass(name: &str) {
        let Some(chosen) = CHOSEN.get().filter(|chosen| chosen.name == name) else { return };
        let before = chosen.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        if before == Ok(1) {
            eprintln!("crash point {name}");
            let ended = kill_process(getpid(), Signal::KILL);
            unreachable!("a process that killed itself goes on: {ended:?}");
        }
    }
}
