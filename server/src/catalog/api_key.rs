//! API keys on record. Pure.

use super::{Refusal, UnixMillis};
use pixelfox_proto::text;

/// A key, without its word: that is known to its owner alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    /// Its id, never used twice.
    pub id: u64,
    /// What the operator calls it.
    pub name: String,
    /// Whose uploads are made with it: duplicates and limits count by this. Never 0.
    pub user_id: u64,
    /// When it was made.
    pub created: UnixMillis,
    /// When it last opened something, to the minute; `None`: never.
    pub last_used: Option<UnixMillis>,
}

/// Longest name.
const MAX_NAME_CHARS: usize = 100;
/// More keys at once are refused.
pub(crate) const MAX_KEYS: usize = 1000;
/// Uses are noted so far apart.
const NOTED_EVERY_MILLIS: i64 = 60_000;

impl ApiKey {
    /// A name that can be one, without spaces around.
    ///
    /// # Errors
    /// Empty, too long, or with control characters.
    pub fn check_name(name: &str) -> Result<String, Refusal> {
        let name = name.trim();
        if name.is_empty() {
            return Err(Refusal::invalid(text!(
                de "name: fehlt; das Programm oder die Person nennen, die den Schlüssel bekommt",
                en "name: is missing; name the program or the person that gets the key"
            )));
        }
        if name.chars().count() > MAX_NAME_CHARS || name.chars().any(char::is_control) {
            let message = text!(
                de "name: höchstens {MAX_NAME_CHARS} Zeichen und keine Steuerzeichen",
                en "name: must have at most {MAX_NAME_CHARS} characters and no control characters"
            );
            return Err(Refusal::invalid(message));
        }
        Ok(name.to_owned())
    }

    /// Whether a use now is worth a note.
    #[must_use]
    pub fn is_news(&self, now: UnixMillis) -> bool {
        self.last_used.is_none_or(|last| now.0.saturating_sub(last.0) >= NOTED_EVERY_MILLIS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_key_may_be_called() {
        assert_eq!(ApiKey::check_name(" Blog ").unwrap(), "Blog");
        for name in ["", "  ", "a\nb", &"x".repeat(MAX_NAME_CHARS + 1)] {
            assert!(ApiKey::check_name(name).unwrap_err().to_string().starts_with("name: "), "{name:?}");
        }
    }

    #[test]
    fn a_use_is_noted_once_a_minute() {
        let key = |last_used| ApiKey { id: 1, name: "a".into(), user_id: 1, created: UnixMillis(0), last_used };
        assert!(key(None).is_news(UnixMillis(5)));
        assert!(!key(Some(UnixMillis(5))).is_news(UnixMillis(60_004)));
        assert!(key(Some(UnixMillis(5))).is_news(UnixMillis(60_005)));
    }
}
