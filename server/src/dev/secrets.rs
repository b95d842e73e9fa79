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
const GENERATED_CHARS: usize = 32;

/// Where a secret comes from: what is in the environment is never printed.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Origin {
    Environment,
    File,
}

/// The secrets of one dev cluster.
pub struct DevSecrets {
    file: PathBuf,
    values: BTreeMap<&'static str, (String, Origin)>,
}

impl DevSecrets {
    /// Takes each secret from `env`, else from the file in `dir`, else makes one. The file belongs to its user alone.
    ///
    /// # Errors
    /// [`Problems`]: a secret's file that can't be read, or a directory that can't be written.
    pub fn open(env: &mut Env<'_>, dir: &Path) -> Result<Self, Problems> {
        let file = dir.join(FILE);
        let problem = |error: io::Error| {
            let message = format!("could not keep the secrets in {}: {error}", file.display());
            Problems(vec![Problem { variable: "--data-dir".into(), message }])
        };
        let kept = read(&file).map_err(problem)?;
        let mut values = BTreeMap::new();
        for name in NAMES {
            let value = match (env.secret(name), kept.get(name)) {
                (Some(given), _) => (given, Origin::Environment),
                (None, Some(kept)) => (kept.clone(), Origin::File),
                (None, None) => (generate().map_err(|error| problem(io::Error::other(error)))?, Origin::File),
            };
            values.insert(name, value);
        }
        let secrets = Self { file: file.clone(), values };
        secrets.write(&[]).map_err(problem)?;
        Ok(secrets)
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

    /// Writes the file: what is kept there, and `more` lines for a shell that reads it.
    ///
    /// # Errors
    /// Of the file system; the file before stays then.
    #[expect(clippy::disallowed_methods, reason = "the file replaces its own predecessor, in no pool")]
    pub fn write(&self, more: &[(&str, &str)]) -> io::Result<()> {
        let mut text = String::from("# Made by `server dev`. Read it into a shell with: set -a; . FILE; set +a\n");
        let kept = self.values.iter().filter(|(_, (_, origin))| *origin == Origin::File);
        let kept = kept.map(|(name, (value, _))| (*name, value.as_str()));
        for (name, value) in kept.chain(more.iter().copied()) {
            text.push_str(&format!("{name}={value}\n"));
        }
        let beside = self.file.with_extension("env.new");
        let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(beside, &self.file)
    }
}

fn read(file: &Path) -> io::Result<BTreeMap<String, String>> {
    let text = match fs::read_to_string(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        text => text?,
    };
    let pairs = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('='));
    let pairs = pairs.map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()));
    Ok(pairs.filter(|(_, value)| !value.is_empty()).collect())
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

    #[test]
    fn generated_secrets_stay_over_restarts_and_belong_to_their_user() {
        let dir = tempfile::tempdir().unwrap();
        let first = DevSecrets::open(&mut Env::new(|_| None), dir.path()).unwrap();
        let second = DevSecrets::open(&mut Env::new(|_| None), dir.path()).unwrap();
        for name in NAMES {
            assert_eq!((first.get(name).len(), first.get(name)), (GENERATED_CHARS, second.get(name)), "{name}");
        }
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
        let mut env = Env::new(|name| (name == "ADMIN_TOKEN").then(|| OsString::from("token of the environment")));
        let secrets = DevSecrets::open(&mut env, dir.path()).unwrap();
        assert_eq!(secrets.get("ADMIN_TOKEN"), "token of the environment");
        assert_eq!(secrets.shown("ADMIN_TOKEN", true), "$ADMIN_TOKEN");
        assert!(!fs::read_to_string(secrets.file()).unwrap().contains("token of the environment"));
    }
}
