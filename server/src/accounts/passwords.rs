//! Passwords hashed and checked: argon2id, on threads of their own, few at once. Each takes the memory and the time
//! that the parameters say, so their number is what a flood of tries can cost.

use std::sync::{Arc, LazyLock};

use argon2::{Algorithm, Argon2, Params, PasswordHasher as _, PasswordVerifier as _, Version};
use tokio::sync::Semaphore;

use crate::catalog::PasswordHash;

/// 19 MiB, 2 passes, 1 lane. Source: OWASP Password Storage Cheat Sheet, argon2id.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;
/// Hashed at once at most: twice the memory, two threads.
const AT_ONCE: usize = 2;
/// Tries that wait for their turn at most.
const WAITING: usize = 32;
/// Fewer characters than this are refused where a password is set by hand. Source: NIST SP 800-63B-4, 3.1.1.2.
pub const MIN_PASSWORD_CHARS: usize = 15;

/// What is checked where there is no such account, so that the answer takes as long: the hash of a word that nobody
/// knows.
static NOBODYS: LazyLock<Option<PasswordHash>> = LazyLock::new(|| {
    let mut word = [0; 32];
    getrandom::fill(&mut word).ok()?;
    hash(&word)
});

/// Why a password could not be hashed or checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// More than the limit at once.
    #[error("too many are signing in at once")]
    Busy,
    /// No random bytes, or a hash in the books that is none.
    #[error("the password could not be hashed")]
    Broken,
}

/// The turns. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Passwords {
    waiting: Arc<Semaphore>,
    at_once: Arc<Semaphore>,
}

impl Default for Passwords {
    fn default() -> Self {
        Self { waiting: Arc::new(Semaphore::new(AT_ONCE + WAITING)), at_once: Arc::new(Semaphore::new(AT_ONCE)) }
    }
}

impl Passwords {
    /// Whether it is the account's. Takes as long where there is no account.
    pub(super) async fn check(&self, password: String, account: Option<PasswordHash>) -> Result<bool, PasswordError> {
        self.in_turn(move || {
            let nobodys = NOBODYS.clone().ok_or(PasswordError::Broken)?; // made at the first check, whoever is asked for
            let known = account.is_some();
            let hash = account.unwrap_or(nobodys);
            let context = argon2();
            match context.verify_password(password.as_bytes(), hash.0.as_str()) {
                Ok(()) => Ok(known),
                Err(argon2::password_hash::Error::PasswordInvalid) => Ok(false),
                Err(_) => Err(PasswordError::Broken),
            }
        })
        .await
    }

    /// Runs it on a thread of its own when its turn comes. A caller that goes away gives its turn back only when the
    /// thread has ended.
    async fn in_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, PasswordError> + Send + 'static,
    ) -> Result<T, PasswordError> {
        let waiting = Arc::clone(&self.waiting).try_acquire_owned().map_err(|_| PasswordError::Busy)?;
        let turn = Arc::clone(&self.at_once).acquire_owned().await.map_err(|_| PasswordError::Busy)?;
        let done = tokio::task::spawn_blocking(move || {
            let held = (waiting, turn);
            let done = work();
            drop(held);
            done
        });
        done.await.unwrap_or(Err(PasswordError::Broken))
    }

    /// The hash of a new password.
    pub(super) async fn hash(&self, password: String) -> Result<PasswordHash, PasswordError> {
        self.in_turn(move || hash(password.as_bytes()).ok_or(PasswordError::Broken)).await
    }
}

fn argon2() -> Argon2<'static> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).expect("parameters within argon2's limits");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

/// With a salt of its own, in PHC form.
fn hash(password: &[u8]) -> Option<PasswordHash> {
    Some(PasswordHash(argon2().hash_password(password).ok()?.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_is_kept_as_argon2id_with_a_salt_of_its_own() {
        let passwords = Passwords::default();
        let one = passwords.hash("correct horse".into()).await.unwrap();
        let two = passwords.hash("correct horse".into()).await.unwrap();
        assert!(one.0.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", one.0);
        assert_ne!(one, two);
        for (password, account, want) in [
            ("correct horse", Some(one.clone()), Ok(true)),
            ("correct horsf", Some(one.clone()), Ok(false)),
            ("", Some(one), Ok(false)),
            ("correct horse", None, Ok(false)),
            ("correct horse", Some(PasswordHash("plain".into())), Err(PasswordError::Broken)),
        ] {
            assert_eq!(passwords.check(password.into(), account).await, want, "{password}");
        }
    }

    #[tokio::test]
    async fn no_more_than_two_are_hashed_at_once_and_few_wait() {
        // Turns are held until the work has ended, also when its caller has gone.
        let passwords = Passwords::default();
        let (tell, told) = std::sync::mpsc::sync_channel::<()>(0);
        let told = Arc::new(parking_lot::Mutex::new(told));
        let begin = || {
            let told = Arc::clone(&told);
            let work = move || told.lock().recv().map_err(|_| PasswordError::Broken);
            let passwords = passwords.clone();
            async move { passwords.in_turn(work).await }
        };
        let mut running: Vec<_> = (0..AT_ONCE + WAITING).map(|_| Box::pin(begin())).collect();
        for waiting in &mut running {
            assert!(futures_util::poll!(waiting.as_mut()).is_pending());
        }
        assert_eq!(passwords.at_once.available_permits(), 0);
        assert_eq!(begin().await, Err(PasswordError::Busy), "one too many");
        drop(running); // their callers leave
        assert_eq!(passwords.at_once.available_permits(), 0, "the threads are at work still");
        drop(tell);
        let all = u32::try_from(AT_ONCE + WAITING).unwrap();
        let free = Arc::clone(&passwords.waiting).acquire_many_owned(all);
        let free = tokio::time::timeout(std::time::Duration::from_secs(10), free).await;
        assert!(free.is_ok(), "every turn comes back");
    }
}
