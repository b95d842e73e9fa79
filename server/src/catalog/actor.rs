//! Who changes something, for the audit. Pure.

use pixelfox_proto::text;
use std::{fmt, str::FromStr, sync::Arc};

use super::Refusal;

/// Whose intent it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Actor {
    /// The program itself.
    #[default]
    Server,
    /// Whoever has ADMIN_TOKEN.
    Token,
    /// Whoever may run commands beside the server.
    Console,
    /// An account, by the pages.
    Account(AccountName),
}

impl Actor {
    /// The word in the books: no account has one of the words of the others.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Server => "server",
            Self::Token => "token",
            Self::Console => "console",
            Self::Account(name) => name.as_str(),
        }
    }
}

/// The name of an account: 1 to 64 of `a-z 0-9 . _ - @`, lower case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountName(Arc<str>);

impl AccountName {
    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    const MAX: usize = 64;
    /// What the audit calls those that are no account.
    const RESERVED: [&'static str; 3] = ["server", "token", "console"];
}

impl fmt::Display for AccountName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for AccountName {
    type Err = Refusal;

    /// Upper case and spaces around it are forgiven.
    fn from_str(text: &str) -> Result<Self, Refusal> {
        let name = text.trim().to_ascii_lowercase();
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-@".contains(c);
        if name.is_empty() || name.len() > Self::MAX || !name.chars().all(fits) {
            let message = text!(
                de "der Name eines Kontos hat 1 bis {} der Zeichen a-z 0-9 . _ - @",
                en "an account's name has 1 to {} of the characters a-z 0-9 . _ - @",
                Self::MAX
            );
            return Err(Refusal::invalid(message));
        }
        if Self::RESERVED.contains(&name.as_str()) {
            return Err(Refusal::invalid(text!(
                de "„{name}“ heißt im Protokoll, wer kein Konto ist: einen anderen Namen nehmen",
                en "`{name}` is what the audit calls one who is no account: take another"
            )));
        }
        Ok(Self(name.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_account_may_be_called() {
        for (text, want) in [
            ("admin", Some("admin")),
            (" Anna.B@example.org ", Some("anna.b@example.org")),
            ("", None),
            ("token", None),
            ("Console", None),
            ("anna b", None),
            ("änna", None),
            ("a\nb", None),
            (&"a".repeat(65), None),
        ] {
            let parsed = text.parse::<AccountName>();
            assert_eq!(parsed.as_ref().ok().map(AccountName::as_str), want, "{text:?}: {parsed:?}");
        }
    }
}
