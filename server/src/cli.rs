//! The command line of `server`: what to run, and `--help` with every variable behind it.

use std::{path::PathBuf, time::Duration};

use clap::{Parser, Subcommand};
use clap_complete::Shell;
use pixelfox_node::config::{self, Variable, parse_duration, parse_size};
use pixelfox_proto::{Claims, NodeId, PoolId};

use crate::{
    catalog::{AccountName, Refusal},
    ctl::CtlArgs,
};

/// PixelFox coordinator with an embedded storage node.
#[derive(Debug, Parser)]
#[command(name = "server", version, about, long_about = None, after_help = environment())]
pub struct Cli {
    /// Without a command: run the coordinator from the environment.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What `server` can do besides running from the environment.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the coordinator and the storage nodes s01 and s02 in one process on 127.0.0.1, with data of their own.
    Dev(DevArgs),
    /// Print an upload token for one pool, signed with UPLOAD_TOKEN_SECRET (or the file of UPLOAD_TOKEN_SECRET_FILE).
    UploadToken(UploadTokenArgs),
    /// Set the password of an account of the pages, also while the server runs. Whoever is signed in with it is not any more.
    AdminPassword(AdminPasswordArgs),
    /// Save the database of DATABASE_URL into a file, also while servers use it.
    #[command(after_help = BACKUP_HELP)]
    Backup(BackupArgs),
    /// Bring a copy back as the database of DATABASE_URL, while no server uses it.
    #[command(after_help = RESTORE_HELP)]
    Restore(RestoreArgs),
    /// Make a lost database again from what lies in the pools.
    #[command(after_help = REBUILD_HELP)]
    Rebuild(RebuildArgs),
    /// Say everything that is wrong with the environment, and exit with 1 where something is.
    CheckConfig,
    /// The command line over the Admin service of a running server.
    Ctl(Box<CtlArgs>),
    /// Print what a shell needs to complete these commands: `source <(server completions bash)`.
    Completions {
        /// Whose.
        shell: Shell,
    },
}

/// Options of `server dev`.
#[derive(Clone, Debug, Parser)]
pub struct DevArgs {
    /// Where the three nodes keep their data, the books and the generated secrets.
    #[arg(long, default_value = ".dev")]
    pub data_dir: PathBuf,
    /// Ports of the coordinator, s01 and s02, with commas or spaces between them; 0 takes a free one.
    #[arg(long, num_args = 1..=3, value_names = ["APP", "S01", "S02"], default_value = "8080,8082,8083")]
    pub ports: Vec<String>,
}

impl DevArgs {
    /// The three ports.
    ///
    /// # Errors
    /// A sentence that shows how it is written.
    pub fn three_ports(&self) -> Result<[u16; 3], String> {
        let words = self.ports.iter().flat_map(|words| words.split([',', ' '])).filter(|word| !word.is_empty());
        let ports: Option<Vec<u16>> = words.map(|word| word.parse().ok()).collect();
        ports.and_then(|ports| ports.try_into().ok()).ok_or_else(|| {
            let given = self.ports.join(" ");
            format!("--ports: `{given}` is not three ports, of the app, s01 and s02: write --ports 8080,8082,8083")
        })
    }
}

/// A pool as somebody names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PoolWord {
    /// By its number: nobody has to be asked.
    Id(PoolId),
    /// By its name.
    Name(String),
}

/// Options of `server upload-token`.
#[derive(Clone, Debug, Parser)]
pub struct UploadTokenArgs {
    /// The pool to store in, by its number, or by its name in the database of DATABASE_URL. The token is for that pool's
    /// node.
    #[arg(long, value_parser = pool)]
    pub pool: PoolWord,
    /// Whose upload it is; 0: a visitor's.
    #[arg(long, default_value_t = 0)]
    pub user: u64,
    /// Largest file.
    #[arg(long, default_value = "512MiB", value_parser = size)]
    pub max_bytes: u64,
    /// How long it is valid.
    #[arg(long = "for", value_name = "DURATION", default_value = "30m", value_parser = duration)]
    pub valid_for: Duration,
}

impl UploadTokenArgs {
    /// What the token for `pool` says. `now` in Unix seconds.
    #[must_use]
    pub fn claims(&self, pool: PoolId, now: i64) -> Claims {
        let seconds = i64::try_from(self.valid_for.as_secs()).unwrap_or(i64::MAX);
        let (user_id, pool_id, max_bytes) = (self.user, pool.get(), self.max_bytes);
        let (exp, via, visitor, settings) = (now.saturating_add(seconds), None, None, None);
        Claims { user_id, pool_id, max_bytes, exp, via, visitor, settings }
    }
}

/// What `--help` adds to what a backup is.
const BACKUP_HELP: &str = "\
The copy is of one moment, checked, durable, and readable by its owner alone; no file is ever replaced by one, and what
fails leaves none. Its path is printed. PostgreSQL is saved by its own pg_dump, which has to be installed.

Environment: DATABASE_URL. The pictures themselves lie in the pools and are not in it: docs/backup.md.";

/// Options of `server backup`.
#[derive(Clone, Debug, Parser)]
pub struct BackupArgs {
    /// The new file, or a folder: then the file is named after the time.
    #[arg(value_name = "TO")]
    pub to: PathBuf,
}

/// What `--help` adds to what a restore is.
const RESTORE_HELP: &str = "\
The copy is looked through first. The database that is there keeps all of its bytes as …before-restore-TIME beside; a
PostgreSQL has to be an empty one, and is filled by its own pg_restore. Run it as the user that the server runs as.

Environment: DATABASE_URL. What the copy does not know of, and how it is found again: docs/backup.md.";

/// Options of `server restore`.
#[derive(Clone, Debug, Parser)]
pub struct RestoreArgs {
    /// The file that `server backup` made.
    #[arg(value_name = "FROM")]
    pub from: PathBuf,
}

/// What `--help` adds to what a rebuild is.
const REBUILD_HELP: &str = "\
Stop the server, give DATABASE_URL of an empty database and otherwise the environment of the server, and run it where the
server runs: the nodes attach to it as to the server, and keep serving. It says what it found and what is missing, and
ends; then start the server. Interrupted, it goes on where it is run again. What lies in no pool is not found: accounts, API
keys, settings, jobs, and which images were deleted while their node was away. More in docs/backup.md.";

/// Options of `server rebuild`.
#[derive(Clone, Debug, Parser)]
pub struct RebuildArgs {
    /// Nodes that are waited for, with commas between them. Without it, whoever comes within the time.
    #[arg(long, value_delimiter = ',', value_name = "NODE_ID,…")]
    pub nodes: Vec<NodeId>,
    /// How long they are waited for.
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration)]
    pub wait: Duration,
    /// Take in only what the books of a database in use lack; what they have stays as it is. Also beside a running server.
    #[arg(long)]
    pub add: bool,
}

/// Options of `server admin-password`.
#[derive(Clone, Debug, Parser)]
pub struct AdminPasswordArgs {
    /// Whose; without it, ADMIN_USER, else `admin`.
    #[arg(long, value_parser = account_name)]
    pub user: Option<AccountName>,
    /// Make the account: there must be none of that name.
    #[arg(long)]
    pub new: bool,
    /// Take the password from the first line of the input, instead of generating and printing one.
    #[arg(long)]
    pub stdin: bool,
}

fn account_name(text: &str) -> Result<AccountName, String> {
    text.parse().map_err(|refusal: Refusal| refusal.to_string())
}

fn pool(text: &str) -> Result<PoolWord, String> {
    match text.parse::<u64>().map(PoolId::try_from) {
        Ok(Ok(id)) => Ok(PoolWord::Id(id)),
        Err(_) if !text.trim().is_empty() => Ok(PoolWord::Name(text.to_owned())),
        _ => Err("must be a number from 1, or a pool's name".into()),
    }
}

fn size(text: &str) -> Result<u64, String> {
    parse_size(text).filter(|size| *size > 0).ok_or_else(|| "must be a size, for instance 512MiB or 2GB".into())
}

fn duration(text: &str) -> Result<Duration, String> {
    let long_enough = |duration: &Duration| duration.as_secs() > 0;
    parse_duration(text).filter(long_enough).ok_or_else(|| "must be a duration, for instance 30m or 24h".into())
}

/// The table of variables below `--help`.
fn environment() -> String {
    let mut text = String::from("Environment:\n");
    for (name, default, meaning) in config::VARIABLES.iter().chain(crate::config::VARIABLES) {
        text.push_str(&variable_line((name, default, meaning)));
    }
    text.push_str("\n`dev` reads of these only the secrets, ADMIN_TOKEN and ADMIN_PASSWORD, RUST_LOG and LOG_FORMAT.");
    text
}

fn variable_line((name, default, meaning): Variable) -> String {
    format!("  {name:<30} {meaning} [default: {default}]\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_ports_in_whatever_way_they_are_written() {
        for (arguments, want) in [
            (&["--ports", "1,2,3"][..], Some([1, 2, 3])),
            (&["--ports", "1", "2", "3"], Some([1, 2, 3])),
            (&["--ports", "1, 2, 3"], Some([1, 2, 3])),
            (&["--ports", "1,", "2,", "3"], Some([1, 2, 3])),
            (&["--ports=0,0,0"], Some([0, 0, 0])),
            (&[], Some([8080, 8082, 8083])),
            (&["--ports", "1,2"], None),
            (&["--ports", "1,2,3,4"], None),
            (&["--ports", "1,2,x"], None),
            (&["--ports", "1,2,70000"], None),
        ] {
            let args = DevArgs::try_parse_from([&["dev"], arguments].concat()).unwrap();
            assert_eq!(args.three_ports().ok(), want, "{arguments:?}");
        }
    }

    #[test]
    fn an_upload_token_says_what_was_asked_for() {
        let parse = |arguments: &[&str]| UploadTokenArgs::try_parse_from([&["upload-token"], arguments].concat());
        let claims = |user_id, max_bytes, exp| {
            let (via, visitor, settings) = (None, None, None);
            Claims { user_id, pool_id: 2, max_bytes, exp, via, visitor, settings }
        };
        let two = PoolId::try_from(2).unwrap();
        let plain = parse(&["--pool", "2"]).unwrap();
        assert_eq!((plain.claims(two, 100), plain.pool), (claims(0, 512 << 20, 100 + 1800), PoolWord::Id(two)));
        assert_eq!(parse(&["--pool", "img1"]).unwrap().pool, PoolWord::Name("img1".into()));
        let all = ["--pool", "2", "--user", "7", "--max-bytes", "2GB", "--for", "24h"];
        assert_eq!(parse(&all).unwrap().claims(two, 100), claims(7, 2_000_000_000, 100 + 86_400));
        for wrong in [&[][..], &["--pool", "0"], &["--pool", " "], &["--pool", "2", "--for", "soon"]] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
