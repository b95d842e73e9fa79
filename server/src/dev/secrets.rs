//! The secrets of a dev cluster: from the environment, else generated once and kept in `<data-dir>/secrets.env`.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use pixelfox_node::config::{Env, Problem, Problems};

/// What is generated where the environment has nothing.
const NAMES: [&str; 4] = ["REPLICATION_SECRET", "UPLOAD_TOKEN_SECRET", "ADMIN_TOKEN", "ADMIN_PASSWORD"];
const FILE: &str = "secrets.env";
const HEAD: &str = "# Made by `server dev`. Read it into a shell with: set -a; . FILE; set +a\n";
const GENERATED_CHARS: usize = 32;

/// Where a secret comes from: what is in the environment is never printed and never kept.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Origin {
    Environment,
    File,
}

/// The secrets of one dev cluster.
pub struct DevSecrets {
    file: PathBuf,
    kept: String,
    values: BTreeMap<&'static str, (String, Origin)>,
}

impl DevSecrets {
    /// Takes each secret from `env`, else from the file in `dir`, else makes one. Writes nothing: see
    /// [`DevSecrets::keep`].
    ///
    /// # Errors
    /// [`Problems`]: a file of secrets that can't be read, or no random bytes.
    pub fn open(env: &mut Env<'_>, dir: &Path) -> Result<Self, Problems> {
        let file = dir.join(FILE);
        let problem = |error: io::Error| {
            let message = format!("could not read the secrets in {}: {error}", file.display());
            Problems(vec![Problem { variable: "--data-dir".into(), message }])
        };
        let kept = match fs::read_to_string(&file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            text => text.map_err(problem)?,
        };
        let mut values = BTreeMap::new();
        for name in NAMES {
            let value = match (env.secret(name), kept_value(&kept, name)) {
                (Some(given), _) => (given, Origin::Environment),
                (None, Some(kept)) => (kept.to_owned(), Origin::File),
                (None, None) => (generate().map_err(|error| problem(io::Error::other(error)))?, Origin::File),
            };
            values.insert(name, value);
        }
        Ok(Self { file, kept, values })
    }

    /// One of them, by the name of its variable.
    #[must_use]
    pub fn get(&self, name: &str) -> &str {
        self.values.get(name).map_or("", |(value, _)| value)
    }

    /// How the table shows it: the value on a terminal, but never one from the environment.
    #[must_use]
    pub fn shown(&self, name: &str, stdout_is_terminal: bool) -> String {
        match self.values.get(name) {
            Some((value, Origin::File)) if stdout_is_terminal => value.clone(),
            _ => format!("${name}"),
        }
    }

    /// Where they lie.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Keeps what was generated, and `more` lines for a shell that reads the file. Whatever else stands there stays:
    /// a secret of the environment counts for this run alone. Only for who has the cluster's ports and books, because
    /// another process may be running by what the file says. The file belongs to its user alone.
    ///
    /// # Errors
    /// Of the file system; the file before stays then.
    #[expect(clippy::disallowed_methods, reason = "the file replaces its own predecessor, in no pool")]
    pub fn keep(&self, more: &[(&str, &str)]) -> io::Result<()> {
        let own = self.values.iter().filter(|(_, (_, origin))| *origin == Origin::File);
        let own = own.map(|(name, (value, _))| (*name, value.as_str()));
        let mut text = if self.kept.is_empty() { HEAD.to_owned() } else { self.kept.clone() };
        for (name, value) in own.chain(more.iter().copied()) {
            text = with_line(&text, name, value);
        }
        let beside = self.file.with_extension("env.new");
        match fs::remove_file(&beside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {} // what an earlier process did not finish may be readable for others
        }
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(beside, &self.file)
    }
}

/// What the last line of `text` that sets `name` says, where it says anything.
fn kept_value<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let values = text.lines().filter_map(|line| line.split_once('=')).filter(|(key, _)| key.trim() == name);
    values.map(|(_, value)| value.trim()).next_back().filter(|value| !value.is_empty())
}

/// `text` with `name` set to `value`; every other line as it was.
fn with_line(text: &str, name: &str, value: &str) -> String {
    let line = format!("{name}={value}");
    let sets_it = |line: &str| line.split_once('=').is_some_and(|(key, _)| key.trim() == name);
    let mut lines: Vec<&str> = text.lines().collect();
    match lines.iter().rposition(|line| sets_it(line)) {
        Some(at) => lines[at] = &line,
        None => lines.push(&line),
    }
    lines.join("\n") + "\n"
}

/// Letters and digits from the system's random source, about 190 bits.
fn generate() -> Result<String, getrandom::Error> {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut bytes = [0; GENERATED_CHARS];
    getrandom::fill(&mut bytes)?;
    // Never begins with `-`, so that it can stand alone on a command line.
    let word = bytes.iter().enumerate().map(|(i, byte)| LETTERS[usize::from(byte % if i == 0 { 32 } else { 64 })]);
    Ok(word.map(char::from).collect())
}

#[cfg(test)]
mod tests {
    use std::{ffi::OsString, os::unix::fs::PermissionsExt as _};

    use super::*;

    fn open(dir: &Path, variables: &[(&str, &str)]) -> DevSecrets {
        let find =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value));
        DevSecrets::open(&mut Env::new(find), dir).unwrap()
    }

    #[test]
    fn generated_secrets_stay_over_restarts_and_belong_to_their_user() {
        let dir = tempfile::tempdir().unwrap();
        let first = open(dir.path(), &[]);
        assert!(!first.file().try_exists().unwrap(), "nothing is written before the cluster has its ports");
        first.keep(&[]).unwrap();
        let second = open(dir.path(), &[]);
        for name in NAMES {
            assert_eq!((first.get(name).len(), first.get(name)), (GENERATED_CHARS, second.get(name)), "{name}");
        }
        second.keep(&[]).unwrap();
        let mode = fs::metadata(first.file()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(
            (first.shown("ADMIN_TOKEN", true), first.shown("ADMIN_TOKEN", false)),
            (first.get("ADMIN_TOKEN").into(), "$ADMIN_TOKEN".into())
        );
    }

    #[test]
    fn a_secret_of_the_environment_counts_and_is_neither_kept_nor_shown() {
        let dir = tempfile::tempdir().unwrap();
        let secrets = open(dir.path(), &[("ADMIN_TOKEN", "token of the environment")]);
        secrets.keep(&[]).unwrap();
        assert_eq!(secrets.get("ADMIN_TOKEN"), "token of the environment");
        assert_eq!(secrets.shown("ADMIN_TOKEN", true), "$ADMIN_TOKEN");
        assert!(!fs::read_to_string(secrets.file()).unwrap().contains("token of the environment"));
    }

    #[test]
    fn what_is_kept_stays_whatever_the_environment_says() {
        // A shell that has read the file starts `dev` again, then another shell with a token of its own, then a clean one.
        let dir = tempfile::tempdir().unwrap();
        let first = open(dir.path(), &[]);
        first.keep(&[("UPLOAD_TOKEN", "first")]).unwrap();
        let sourced: Vec<(&str, &str)> = NAMES.iter().map(|name| (*name, first.get(name))).collect();
        open(dir.path(), &sourced).keep(&[("UPLOAD_TOKEN", "second")]).unwrap();
        open(dir.path(), &[("ADMIN_TOKEN", "token of the environment")]).keep(&[("UPLOAD_TOKEN", "third")]).unwrap();
        let text = fs::read_to_string(first.file()).unwrap();
        fs::write(first.file(), format!("{text}MY_OWN=line\n")).unwrap();
        let last = open(dir.path(), &[]);
        last.keep(&[("UPLOAD_TOKEN", "fourth")]).unwrap();
        for name in NAMES {
            assert_eq!(last.get(name), first.get(name), "{name}");
        }
        let text = fs::read_to_string(first.file()).unwrap();
        assert!(text.contains("MY_OWN=line\n") && text.contains("UPLOAD_TOKEN=fourth\n"), "{text}");
        assert!(!text.contains("third") && !text.contains("token of the environment"), "{text}");
    }
}
