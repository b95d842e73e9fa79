//! Who may use the pages: signing in and out, and passwords. A session's secret is random, known to the browser alone,
//! and in the books only as a digest. What is answered does not tell whether there is an account of that name.

mod passwords;

use std::{fmt, net::IpAddr, sync::Arc};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use parking_lot::Mutex;
use pixelfox_proto::{Fault, FaultKind, Sha256, text};
use tokio::time::Instant;

pub use self::passwords::{MIN_PASSWORD_CHARS, PasswordError};

use self::passwords::Passwords;
use crate::access::{FailureRows, Seat, Tries};
use crate::catalog::{Account, AccountName, AccountRule, NewSession, Session};
use crate::clock;
use crate::config::{FirstAccount, LaterStarts, MAX_PASSWORD_BYTES};
use crate::store::{Store, StoreError};

/// How long a session lasts.
pub const SESSION_SECONDS: u32 = 12 * 3600;
/// Bytes of a session's secret.
const SECRET_BYTES: usize = 32;

/// What a browser shows to be let in: 256 random bits, as URL-safe base64. Never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionSecret(String);

impl fmt::Debug for SessionSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionSecret(…)")
    }
}

impl SessionSecret {
    fn new() -> Result<Self, PasswordError> {
        let mut bytes = [0; SECRET_BYTES];
        getrandom::fill(&mut bytes).map_err(|_| PasswordError::Broken)?;
        Ok(Self(URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// As the browser sends it. `None`: it can't be one of ours.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        (bytes.len() == SECRET_BYTES).then(|| Self(text.to_owned()))
    }

    /// For the browser alone.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What the books know it by. A digest needs no salt where what is hashed is random.
    fn digest(&self) -> Sha256 {
        Sha256::of(self.0.as_bytes())
    }
}

/// Why nobody was let in, or no password set.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// The one answer to a wrong name and a wrong password.
    #[error("invalid name or password")]
    Invalid,
    /// Too many tries.
    #[error("too many tries to sign in: try again in {seconds} s")]
    Slower {
        /// When the next try counts.
        seconds: u32,
    },
    /// A password that can't be one, with why.
    #[error("{0}")]
    Unfit(String),
    /// It could not be hashed.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// The books.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<AccountError> for Fault {
    fn from(error: AccountError) -> Self {
        match error {
            AccountError::Invalid => {
                Self::unauthorized(text!(de "Name oder Passwort falsch", en "invalid name or password"))
            }
            AccountError::Slower { seconds } => {
                let slower = text!(
                    de "zu viele Versuche, sich anzumelden: in {seconds} s noch einmal versuchen",
                    en "too many tries to sign in: try again in {seconds} s"
                );
                Self::new(FaultKind::TooManyRequests, slower).retry_after(seconds)
            }
            AccountError::Unfit(_) => Self::bad_request(error.to_string()),
            AccountError::Password(PasswordError::Busy) => Self::unavailable(error.to_string()).retry_after(1),
            AccountError::Password(PasswordError::Broken) => Self::internal("could not check a password", &error),
            AccountError::Store(error) => error.into(),
        }
    }
}

/// The door. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Accounts {
    store: Store,
    passwords: Passwords,
    tries: Arc<Mutex<Tries>>,
    rows: Arc<Mutex<FailureRows>>,
    began: Instant,
}

impl Accounts {
    /// Over these books.
    #[must_use]
    pub fn new(store: Store) -> Self {
        Self {
            store,
            passwords: Passwords::default(),
            tries: Arc::default(),
            rows: Arc::default(),
            began: Instant::now(),
        }
    }

    /// Lets in who knows the password. `from`: the browser's address, where it is known.
    ///
    /// # Errors
    /// [`AccountError::Invalid`] for a wrong name and for a wrong password, after the same work;
    /// [`AccountError::Slower`] before any.
    pub async fn sign_in(
        &self,
        name: &str,
        password: String,
        from: Option<IpAddr>,
    ) -> Result<(SessionSecret, Session), AccountError> {
        if password.len() > MAX_PASSWORD_BYTES {
            return Err(AccountError::Invalid);
        }
        let name: Option<AccountName> = name.parse().ok();
        // What can't be a name shares one count: it is nobody's.
        let tried = name.as_ref().map_or("", AccountName::as_str);
        let seat = from.map(Seat::from);
        let began = self.tries.lock().begin(tried, seat, self.millis());
        if let Err(wait) = began {
            return Err(AccountError::Slower { seconds: u32::try_from(wait.div_ceil(1000)).unwrap_or(u32::MAX) });
        }
        let outcome = self.try_password(name.as_ref(), password, from).await;
        match &outcome {
            Ok(_) => self.tries.lock().was_right(tried, seat, self.millis()),
            Err(AccountError::Invalid) => self.note_failure(name, from).await,
            Err(_) => self.tries.lock().did_not_count(tried, seat),
        }
        outcome
    }

    /// In the log always, in the audit as often as it may be. The name that was typed is shown where there is such an
    /// account only: it may be a password in the wrong field.
    async fn note_failure(&self, name: Option<AccountName>, from: Option<IpAddr>) {
        let from = from.map_or_else(|| "an unknown address".to_owned(), |from| from.to_canonical().to_string());
        tracing::warn!(client = %from, "[Admin] Failed sign-in from {from}");
        let Some(unsaid) = self.rows.lock().next(self.millis()) else { return };
        let more = if unsaid == 0 { String::new() } else { format!(", after {unsaid} more without an entry") };
        if let Err(error) = self.store.note_failed_sign_in(name, format!("from {from}{more}"), clock::now()).await {
            tracing::warn!("a failed sign-in could not be noted: {error}");
        }
    }

    async fn try_password(
        &self,
        name: Option<&AccountName>,
        password: String,
        from: Option<IpAddr>,
    ) -> Result<(SessionSecret, Session), AccountError> {
        let account = match name {
            Some(name) => self.store.account(name).await?,
            None => None,
        };
        let right = self.passwords.check(password, account.as_ref().map(|account| account.password.clone())).await?;
        let Some(account) = account.filter(|_| right) else { return Err(AccountError::Invalid) };
        let (secret, now) = (SessionSecret::new()?, clock::now());
        let session = NewSession {
            account: account.name,
            password: account.password,
            digest: secret.digest(),
            expires: now.plus_seconds(SESSION_SECONDS),
            from: from.map_or_else(String::new, |from| format!("from {}", from.to_canonical())),
        };
        let session = self.store.begin_session(session, now).await?.ok_or(AccountError::Invalid)?;
        Ok((secret, session))
    }

    /// Whose session it is, where it is not over.
    ///
    /// # Errors
    /// The books can't be read.
    pub async fn session(&self, secret: &SessionSecret) -> Result<Option<Session>, StoreError> {
        self.store.session(&secret.digest(), clock::now()).await
    }

    /// Ends a session.
    ///
    /// # Errors
    /// The books can't be written.
    pub async fn sign_out(&self, secret: &SessionSecret) -> Result<(), StoreError> {
        self.store.end_session(secret.digest(), clock::now()).await
    }

    /// Sees to it that there is an account. Gives the password where one was generated: to be shown once.
    ///
    /// # Errors
    /// [`AccountError`].
    pub async fn first(&self, first: &FirstAccount) -> Result<Option<String>, AccountError> {
        if first.later == LaterStarts::SetAgain && self.has_another_password(first).await? {
            let password = self.passwords.hash(given(first).unwrap_or_default()).await?;
            let account = Account { name: first.name.clone(), password };
            self.store.set_password(account, AccountRule::Existing, clock::now()).await?;
        }
        if self.store.has_accounts().await? {
            return Ok(None);
        }
        let (password, generated) = match given(first) {
            Some(password) => (password, None),
            None => generated_password().map(|password| (password.clone(), Some(password)))?,
        };
        let account = Account { name: first.name.clone(), password: self.passwords.hash(password).await? };
        let made = self.store.first_account(account, clock::now()).await?;
        Ok(generated.filter(|_| made)) // another server may have been first
    }

    /// Whether the first account is there, with a password that is not the given one.
    async fn has_another_password(&self, first: &FirstAccount) -> Result<bool, AccountError> {
        let Some(password) = given(first) else { return Ok(false) };
        let Some(account) = self.store.account(&first.name).await? else { return Ok(false) };
        Ok(!self.passwords.check(password, Some(account.password)).await?)
    }

    /// Sets a password, as whoever this handle of the books is; the account's sessions are over.
    ///
    /// # Errors
    /// A password that is too short or too long, no such account, or one that there is already.
    pub async fn set_password(
        &self,
        name: AccountName,
        password: String,
        rule: AccountRule,
    ) -> Result<(), AccountError> {
        fit(&password)?;
        let password = self.passwords.hash(password).await?;
        Ok(self.store.set_password(Account { name, password }, rule, clock::now()).await?)
    }

    fn millis(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

fn given(first: &FirstAccount) -> Option<String> {
    first.password.as_ref().map(|password| password.reveal().to_owned())
}

/// Whether it may be a password: long enough, and not too long to be hashed.
fn fit(password: &str) -> Result<(), AccountError> {
    if password.chars().count() < MIN_PASSWORD_CHARS {
        return Err(AccountError::Unfit(format!("a password has {MIN_PASSWORD_CHARS} characters at least")));
    }
    if password.len() > MAX_PASSWORD_BYTES {
        return Err(AccountError::Unfit(format!("a password has {MAX_PASSWORD_BYTES} bytes at most")));
    }
    Ok(())
}

/// A password that nobody has thought of: 20 letters and digits that are told apart, about 116 bits.
///
/// # Errors
/// The system gives no random bytes.
pub fn generated_password() -> Result<String, PasswordError> {
    // 57 signs: a byte is used where it falls below a multiple of that, so that each is as likely.
    const SIGNS: &[u8; 57] = b"ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789";
    const LENGTH: usize = 20;
    let mut word = String::with_capacity(LENGTH);
    while word.len() < LENGTH {
        let mut bytes = [0; 64];
        getrandom::fill(&mut bytes).map_err(|_| PasswordError::Broken)?;
        let fair = bytes.into_iter().map(usize::from).filter(|byte| *byte < 256 / SIGNS.len() * SIGNS.len());
        word.extend(fair.map(|byte| char::from(SIGNS[byte % SIGNS.len()])).take(LENGTH - word.len()));
    }
    Ok(word)
}
