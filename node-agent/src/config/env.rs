//! Reading variables: typed, with every problem noted instead of only the first.

use std::{ffi::OsString, fmt, str::FromStr, time::Duration};

use url::Url;

use crate::secret::SecretPair;

/// One thing that is wrong with the environment: the variable, and a sentence with the cure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Its name.
    pub variable: String,
    /// What is wrong and what to do.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.variable, self.message)
    }
}

/// Everything that is wrong, one line each.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct Problems(pub Vec<Problem>);

/// Where a variable's value comes from.
type Lookup<'a> = dyn Fn(&str) -> Option<OsString> + 'a;

/// Reads variables by name and gathers what is wrong with them. A variable that is set but empty counts as absent,
/// as compose files leave it.
pub struct Env<'a> {
    lookup: Box<Lookup<'a>>,
    names: Vec<String>,
    problems: Vec<Problem>,
    warnings: Vec<Problem>,
}

impl Env<'static> {
    /// Of this process.
    #[must_use]
    pub fn process() -> Self {
        let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()).collect();
        Self { names, ..Self::new(|name| std::env::var_os(name)) }
    }
}

impl<'a> Env<'a> {
    /// Of any source, for tests and for `dev`.
    pub fn new(lookup: impl Fn(&str) -> Option<OsString> + 'a) -> Self {
        Self { lookup: Box::new(lookup), names: Vec::new(), problems: Vec::new(), warnings: Vec::new() }
    }

    /// Notes that `variable` is wrong.
    pub fn problem(&mut self, variable: &str, message: impl Into<String>) {
        self.problems.push(Problem { variable: variable.into(), message: message.into() });
    }

    /// Notes that `variable` deserves a word, though a start goes on.
    pub fn warning(&mut self, variable: &str, message: impl Into<String>) {
        self.warnings.push(Problem { variable: variable.into(), message: message.into() });
    }

    /// The warnings so far, once.
    pub fn take_warnings(&mut self) -> Vec<Problem> {
        std::mem::take(&mut self.warnings)
    }

    /// Warns of variables that are set, that nobody reads, and that look like one of `known` misspelt.
    pub fn warn_of_misspelt(&mut self, known: &[&str]) {
        let names = std::mem::take(&mut self.names);
        for (name, meant) in names.iter().filter_map(|name| Some((name, misspelt(name, known)?))) {
            self.warning(name, format!("unknown variable; did you mean {meant}?"));
        }
        self.names = names;
    }

    /// Its text, where it is set and not empty.
    pub fn text(&mut self, name: &str) -> Option<String> {
        match (self.lookup)(name)?.into_string() {
            Ok(text) if text.trim().is_empty() => None,
            Ok(text) => Some(text),
            Err(_) => {
                self.problem(name, "is not UTF-8");
                None
            }
        }
    }

    /// Its value, or `default` where it is absent or wrong (then noted, with `expected` as what it should be).
    pub fn parse<T: FromStr>(&mut self, name: &str, default: T, expected: &str) -> T {
        let Some(text) = self.text(name) else { return default };
        text.trim().parse().unwrap_or_else(|_| {
            self.problem(name, format!("`{text}` is not {expected}"));
            default
        })
    }

    /// `0` or `1` (also `false`, `true`, `no`, `yes`, `off`, `on`).
    pub fn flag(&mut self, name: &str, default: bool) -> bool {
        let Some(text) = self.text(name) else { return default };
        match text.trim().to_ascii_lowercase().as_str() {
            "1" | "true" | "yes" | "on" => true,
            "0" | "false" | "no" | "off" => false,
            _ => {
                self.problem(name, format!("`{text}` is neither 0 nor 1"));
                default
            }
        }
    }

    /// `90s`, `10m` or `1h`: a second at least, thirty days at most.
    pub fn duration(&mut self, name: &str, default: Duration) -> Duration {
        let Some(text) = self.text(name) else { return default };
        parse_duration(text.trim()).unwrap_or_else(|| {
            self.problem(name, format!("`{text}` is no time from 1s to 720h: write 90s, 10m or 1h"));
            default
        })
    }

    /// `http://` or `https://` with a host and perhaps a port, without a `/` at its end.
    pub fn base_url(&mut self, name: &str, default: &str) -> String {
        let text = self.text(name).unwrap_or_else(|| default.to_owned());
        match check_base_url(&text) {
            Ok(url) => url,
            Err(why) => {
                self.problem(name, why);
                default.to_owned()
            }
        }
    }

    /// A secret from the variable or from the file that `<name>_FILE` names; never quoted in a message.
    pub fn secret(&mut self, name: &str) -> Option<String> {
        let file_variable = format!("{name}_FILE");
        let (inline, file) = (self.text(name), self.text(&file_variable));
        match (inline, file) {
            (Some(_), Some(_)) => {
                self.problem(name, format!("is set, and so is {file_variable}: keep one of them"));
                None
            }
            (inline, None) => inline.map(|secret| secret.trim().to_owned()),
            (None, Some(file)) => match std::fs::read_to_string(&file) {
                Ok(secret) if secret.trim().is_empty() => {
                    self.problem(&file_variable, format!("the file {file} is empty"));
                    None
                }
                Ok(secret) => Some(secret.trim().to_owned()),
                Err(error) => {
                    self.problem(&file_variable, format!("could not read {file}: {error}"));
                    None
                }
            },
        }
    }

    /// A secret with the one before it.
    pub fn secret_pair(&mut self, name: &str) -> Option<SecretPair> {
        let previous = self.secret(&format!("{name}_PREVIOUS"));
        let current = self.secret(name);
        if current.is_none() && previous.is_some() {
            self.problem(name, format!("is missing, but {name}_PREVIOUS is set: set the new one too"));
        }
        Some(SecretPair::new(current?, previous))
    }

    /// Whether anything was wrong so far.
    #[must_use]
    pub const fn has_problems(&self) -> bool {
        !self.problems.is_empty()
    }

    /// Everything that is wrong, and the warnings.
    #[must_use]
    pub fn into_findings(self) -> (Problems, Vec<Problem>) {
        (Problems(self.problems), self.warnings)
    }

    /// `value` where nothing was wrong.
    ///
    /// # Errors
    /// All [`Problems`] noted so far.
    pub fn finish<T>(self, value: T) -> Result<T, Problems> {
        if self.problems.is_empty() { Ok(value) } else { Err(Problems(self.problems)) }
    }
}

fn parse_duration(text: &str) -> Option<Duration> {
    let (number, unit_seconds) = [('s', 1), ('m', 60), ('h', 3600)]
        .into_iter()
        .find_map(|(unit, seconds)| Some((text.strip_suffix(unit)?, seconds)))?;
    let number: u64 = number.parse().ok().filter(|_| number.bytes().all(|byte| byte.is_ascii_digit()))?;
    let seconds = number.checked_mul(unit_seconds).filter(|seconds| (1..=720 * 3600).contains(seconds))?;
    Some(Duration::from_secs(seconds))
}

/// The one of `known` that `name` was probably meant to be; `None` where it is one, or like none. Pure.
fn misspelt(name: &str, known: &[&str]) -> Option<String> {
    let is_secret = |name: &&str| name.contains("SECRET") || name.contains("TOKEN");
    let files = known.iter().copied().filter(is_secret).map(|name| format!("{name}_FILE"));
    let known: Vec<String> = known.iter().map(ToString::to_string).chain(files).collect();
    if known.iter().any(|known| known == name) {
        return None;
    }
    let upper = name.to_ascii_uppercase();
    // A short name is one slip away from many that are not ours.
    let slips = |known: &str| if known.len() < 9 { 1 } else { 2 };
    let near = known.into_iter().map(|known| (strsim::osa_distance(&upper, &known), known));
    near.filter(|(distance, known)| *distance <= slips(known)).min().map(|(_, known)| known)
}

/// A base URL without its last `/`, or why it is none.
///
/// # Errors
/// A sentence with the cure.
pub fn check_base_url(text: &str) -> Result<String, String> {
    let url =
        Url::parse(text.trim()).map_err(|error| format!("`{text}` is not a URL ({error}): write http://host:port"))?;
    let plain = matches!(url.scheme(), "http" | "https") && url.has_host() && url.username().is_empty();
    if !plain || url.password().is_some() {
        return Err(format!("`{}` must be http://host:port or https://host:port", url.host_str().unwrap_or(text)));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(format!("`{text}` must have neither `?` nor `#`"));
    }
    Ok(text.trim().trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_words_are_durations() {
        for (text, want) in [
            ("90s", Some(90)),
            ("10m", Some(600)),
            ("1h", Some(3600)),
            ("720h", Some(2_592_000)),
            ("721h", None),
            ("0s", None),
            ("10", None),
            ("m", None),
            ("-1s", None),
            ("+1s", None),
            ("1.5m", None),
            ("1m30s", None),
            ("99999999999999999999h", None),
        ] {
            assert_eq!(parse_duration(text).map(|duration| duration.as_secs()), want, "{text}");
        }
    }

    #[test]
    fn which_variable_was_meant() {
        let known = ["APP_PORT", "NODE_ID", "NODE_URL", "REPLICATION_SECRET", "ADMIN_TOKEN", "STATE_DIR"];
        for (name, want) in [
            ("APP_PORTT", Some("APP_PORT")),
            ("APP_PROT", Some("APP_PORT")),
            ("app_port", Some("APP_PORT")),
            ("REPLICATION_SECRT", Some("REPLICATION_SECRET")),
            ("REPLICATION_SECRET_FIL", Some("REPLICATION_SECRET_FILE")),
            ("REPLICATION_SECRET_FILE", None),
            ("ADMIN_TOKENS", Some("ADMIN_TOKEN")),
            ("ADMIN_USER", None),
            ("NODE_ENV", None),
            ("HTTP_PORT", None),
            ("APP_PORT", None),
            ("PATH", None),
            ("HOME", None),
        ] {
            assert_eq!(misspelt(name, &known).as_deref(), want, "{name}");
        }
    }
}
