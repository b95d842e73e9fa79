//! `server ctl`: every method of the Admin service as a verb, tables for people and JSON for scripts. A client of that
//! service alone: knows the proto, and nothing of the rest of the server. Source: docs/ctl.md.

mod audit;
mod connect;
mod diagnose;
mod fields;
mod follow;
mod images;
mod jobs;
mod json;
mod keys;
mod lists;
mod methods;
mod moves;
mod nodes;
mod places;
mod pools;
mod progress;
mod queue;
mod sessions;
mod settings;
mod show;
mod status;
mod table;
mod terminal;
mod trouble;
mod watch;

use std::process::ExitCode;

use clap::Subcommand;

pub use self::methods::METHODS;
use self::{
    connect::{Admin, Reach},
    terminal::Out,
    trouble::Trouble,
};

/// What stands below `server ctl --help`.
const AFTER: &str = "\
A POOL is a name or a number; an IMAGE a UUID, a share link, a file's URL or its stored path.

Exit codes:
  0  done
  1  failed: a finding FAILED, a followed job did not end well, the server failed, the question was answered with no
  2  usage: the command can't be understood, or needs --yes where nobody can be asked
  3  refused: the server said no (no right token, no such pool, not in this state), and nothing was done
  4  unreachable: nobody answered, the connection broke, or the server can't now; later it may
  130  stopped with Ctrl-C while a job was followed: the job goes on

Environment:
  ADMIN_URL      where the server is [default: http://127.0.0.1:8080]
  ADMIN_TOKEN    opens the Admin service; or ADMIN_TOKEN_FILE
  TLS_CA_FILE    certificates to trust for https://, PEM [default: the system's]
  LC_ALL, LC_MESSAGES, LANG
                 refusals, findings and advice of the server are in German where they begin with `de`, else in English
  NO_COLOR       no colours; there are none either where the output is no terminal";

/// Options of `server ctl`.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER)]
pub struct CtlArgs {
    #[command(flatten)]
    reach: Reach,
    /// Print JSON with the names of protobuf's JSON, as grpcurl does: one document, or a line each for what comes by and by.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// How much there is, which nodes are there, what is under way.
    Status,
    /// Storage pools: list, show, create, set, delete, check, recount.
    Pools(pools::PoolsArgs),
    /// Storage nodes.
    Nodes,
    /// Images: list, show, verify, delete.
    Images(images::ImagesArgs),
    /// Move a whole pool, or some images, to another pool.
    Move(moves::MoveArgs),
    /// Jobs: list, show, watch, pause, resume, cancel, retry, undo.
    Jobs(jobs::JobsArgs),
    /// The queue of all jobs: show, pause, resume.
    Queue(queue::QueueArgs),
    /// Settings of the cluster: show, set.
    Settings(settings::SettingsArgs),
    /// API keys: list, create, revoke.
    Keys(keys::KeysArgs),
    /// Look for everything that commonly goes wrong; exit code 1 where something FAILED.
    Diagnose(diagnose::DiagnoseArgs),
    /// The state that is there, then what happens, as it happens, until it is stopped.
    Watch(watch::WatchArgs),
    /// Who changed what, newest first.
    Audit(audit::AuditArgs),
    /// Sessions of the pages: sign in, show, sign out. Secrets come by the input and never by the command line.
    Sessions(sessions::SessionsArgs),
}

/// How answers are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Table,
    Json,
}

/// How a verb ended that the server did not refuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    Done,
    /// It was carried out, and what it found or followed is not well.
    NotWell,
}

type Ended = Result<Ending, Trouble>;

/// What each verb works with.
struct Ctl {
    admin: Admin,
    out: Out,
    form: Form,
}

impl Ctl {
    /// Prints a whole answer: as JSON, or as `table` does.
    fn answer<M: prost::Name>(&mut self, answer: &M, table: impl FnOnce(&mut Out, &M) -> Result<(), Trouble>) -> Ended {
        match self.form {
            Form::Json => self.out.line(&json::document(answer))?,
            Form::Table => table(&mut self.out, answer)?,
        }
        self.out.flush()?;
        Ok(Ending::Done)
    }
}

/// Runs one verb to its end.
#[must_use]
pub fn run(args: CtlArgs) -> ExitCode {
    let (url, language) = (args.reach.shown_url(), args.reach.language());
    let ended = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(carry_out(args)),
        Err(error) => Err(Trouble::Failed(format!("could not start: {error}"))),
    };
    match ended {
        Ok(Ending::Done) => ExitCode::SUCCESS,
        Ok(Ending::NotWell) => ExitCode::FAILURE,
        Err(trouble) => {
            trouble.say(&url, language);
            trouble.exit_code()
        }
    }
}

async fn carry_out(args: CtlArgs) -> Ended {
    let form = if args.json { Form::Json } else { Form::Table };
    let out = Out::of_process();
    let mut ctl = Ctl { admin: args.reach.connect().await?, out, form };
    match args.verb {
        Verb::Status => status::run(&mut ctl).await,
        Verb::Pools(args) => pools::run(&mut ctl, args).await,
        Verb::Nodes => nodes::run(&mut ctl).await,
        Verb::Images(args) => images::run(&mut ctl, args).await,
        Verb::Move(args) => moves::run(&mut ctl, args).await,
        Verb::Jobs(args) => jobs::run(&mut ctl, args).await,
        Verb::Queue(args) => queue::run(&mut ctl, &args).await,
        Verb::Settings(args) => settings::run(&mut ctl, args).await,
        Verb::Keys(args) => keys::run(&mut ctl, args).await,
        Verb::Diagnose(args) => diagnose::run(&mut ctl, args).await,
        Verb::Watch(args) => watch::run(&mut ctl, args).await,
        Verb::Audit(args) => audit::run(&mut ctl, args).await,
        Verb::Sessions(args) => sessions::run(&mut ctl, args).await,
    }
}
