//! `server`: the coordinator with its embedded node, from the environment or as a whole dev cluster.
#![deny(clippy::print_stdout, clippy::print_stderr, reason = "a closed or full stream would be a panic: see `console`")]

use std::{
    io::{BufRead as _, IsTerminal as _, Read as _, Write as _},
    process::ExitCode,
};

use clap::{CommandFactory as _, Parser as _};
use clap_complete::Shell;
use pixelfox_node::{
    clock,
    config::{Env, NodeConfig, Problems},
    console,
    node::{Process, bind, check},
    sys, telemetry,
};
use pixelfox_proto::{PoolId, text};
use pixelfox_server::{
    accounts::{self, Accounts},
    app::App,
    backup,
    catalog::{AccountRule, Actor, RebuildRule, Refusal},
    cli::{AdminPasswordArgs, BackupArgs, Cli, Command, DevArgs, PoolWord, RebuildArgs, RestoreArgs, UploadTokenArgs},
    clock as server_clock,
    config::{self, MAX_PASSWORD_BYTES, ServerConfig},
    ctl,
    dev::{self, Cluster, DevError, Spec},
    rebuild::{self, RebuildError},
    store::{Contents, Store, StoreError},
};

/// What `dev` logs by itself: that a node listens and has attached, its table and the coordinator say as well.
const DEV_LOG: &str = "info,pixelfox_node::node::agent=warn,pixelfox_node::session=warn";

fn main() -> ExitCode {
    sys::tune_allocator();
    match Cli::parse().command {
        Some(Command::Dev(args)) => begun(|process| dev(process, args)),
        Some(Command::UploadToken(args)) => upload_token(&args),
        Some(Command::AdminPassword(args)) => admin_password(args),
        Some(Command::Backup(args)) => save(&args),
        Some(Command::Restore(args)) => restore(&args),
        Some(Command::Rebuild(args)) => begun(|process| match read_environment() {
            Ok(config) => rebuild(process, config, args),
            Err(problems) => refuse(&problems),
        }),
        Some(Command::CheckConfig) => {
            let mut env = Env::process();
            let config = ServerConfig::read(&mut env);
            config.look_at_disk(&mut env);
            check(env, &config.node.warnings)
        }
        Some(Command::Ctl(args)) => ctl::run(*args),
        Some(Command::Completions { shell }) => completions(shell),
        None => begun(|process| match read_environment() {
            Ok(config) => serve(process, config),
            Err(problems) => refuse(&problems),
        }),
    }
}

/// Printed in one go, so that a reader who goes away early is no panic.
fn completions(shell: Shell) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "server", &mut script);
    match std::io::stdout().write_all(&script) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            console::say(format_args!("could not print: {error}"));
            ExitCode::FAILURE
        }
        _ => ExitCode::SUCCESS,
    }
}

/// What runs until it is told to stop hears that from its first moment on.
fn begun(life: impl FnOnce(Process) -> ExitCode) -> ExitCode {
    Process::begin().map_or_else(|code| code, life)
}

fn read_environment() -> Result<ServerConfig, Problems> {
    let mut env = Env::process();
    let config = ServerConfig::read(&mut env);
    env.finish(config)
}

fn refuse(problems: &Problems) -> ExitCode {
    console::say(problems);
    ExitCode::FAILURE
}

fn serve(process: Process, config: ServerConfig) -> ExitCode {
    telemetry::start(&config.node.log);
    telemetry::warn_of(&config.node.warnings);
    process.run(async move |plane, mut signals| {
        tokio::select! {
            () = Store::wait_for(&config.database_url) => {}
            () = signals.heard() => return Ok(()),
        }
        let listener = bind(config.node.listen).await?;
        let name = config.first_account.name.clone();
        let mut app = App::start(config, listener, plane).await?;
        if let Some(password) = app.take_first_password() {
            let shown = format!("First account of the pages: {name}, password {password}\n");
            if let Err(error) = console::print(shown + "This is shown once. `server admin-password` sets another one.") {
                console::say(format_args!(
                    "The password of the first account, {name}, could not be printed ({error}), and is shown to nobody: \
                     set one by `server admin-password`."
                ));
            }
        }
        tokio::select! {
            () = signals.heard() => app.shutdown().await,
            dead = app.dead() => return Err(dead), // no orderly end: that needs the books
        }
        Ok(())
    })
}

/// The token alone goes to stdout, so that a script can take it.
fn upload_token(args: &UploadTokenArgs) -> ExitCode {
    let mut env = Env::process();
    let secret = env.secret("UPLOAD_TOKEN_SECRET");
    if secret.is_none() && !env.has_problems() {
        env.problem(
            "UPLOAD_TOKEN_SECRET",
            "is missing: give the one of the nodes, or its file in UPLOAD_TOKEN_SECRET_FILE",
        );
    }
    let url = matches!(args.pool, PoolWord::Name(_)).then(|| config::database_url(&mut env)).unwrap_or_default();
    let secret = match env.finish(secret.unwrap_or_default()) {
        Ok(secret) => secret,
        Err(problems) => return refuse(&problems),
    };
    let pool = match &args.pool {
        PoolWord::Id(id) => Ok(*id),
        PoolWord::Name(name) => at_the_console(pool_named(&url, name)),
    };
    match pool {
        Ok(pool) => console::answer(args.claims(pool, clock::unix_seconds()).mint(secret.as_bytes()), ""),
        Err(error) => failed(&*error),
    }
}

/// The number of a pool, by the books that a server may be using.
async fn pool_named(url: &str, name: &str) -> Result<PoolId, StoreError> {
    let store = Store::open_beside(url).await?;
    let pools = store.list_pools().await;
    store.close().await;
    let pools = pools?;
    let found = pools.iter().find(|pool| pool.name == name).map(|pool| pool.id);
    let names = || pools.iter().map(|pool| pool.name.as_str()).collect::<Vec<_>>().join(", ");
    found.ok_or_else(|| {
        Refusal::not_found(text!(
            de "es gibt keinen Speicherpool „{name}“; es gibt {}",
            en "no pool `{name}`; there are {}",
            names()
        ))
        .into()
    })
}

/// Works beside a server that runs on the same books. Where the password was generated, it alone goes to stdout.
fn admin_password(args: AdminPasswordArgs) -> ExitCode {
    let mut env = Env::process();
    let (url, user) = (config::database_url(&mut env), config::admin_user(&mut env));
    let url = match env.finish(url) {
        Ok(url) => url,
        Err(problems) => return refuse(&problems),
    };
    let (name, rule) = (args.user.unwrap_or(user), if args.new { AccountRule::New } else { AccountRule::Existing });
    let set = || -> Result<ExitCode, Trouble> {
        let password = if args.stdin { first_line()? } else { accounts::generated_password()? };
        at_the_console(async {
            let store = Store::open_beside(&url).await?.by(Actor::Console);
            let set = Accounts::new(store.clone()).set_password(name.clone(), password.clone(), rule).await;
            store.close().await;
            set
        })?;
        let lost = "The password is set and shown to nobody: run this again.";
        let code = if args.stdin { ExitCode::SUCCESS } else { console::answer(password, lost) };
        console::say(format_args!("The password of {name} is set; whoever was signed in with it is not any more."));
        Ok(code)
    };
    set().unwrap_or_else(|error| failed(&*error))
}

/// The copy's path alone goes to stdout, so that a script can take it.
fn save(args: &BackupArgs) -> ExitCode {
    let url = match database() {
        Ok(url) => url,
        Err(problems) => return refuse(&problems),
    };
    match at_the_console(backup::save(&url, &args.to, server_clock::now())) {
        Ok(saved) => {
            let Contents { images, pools, .. } = saved.contents;
            let path = saved.path.display();
            let code = console::answer(&path, &format!("The copy is made all the same: {path}."));
            console::say(format_args!("Saved: the books of {images} images in {pools} pools, {} bytes.", saved.bytes));
            code
        }
        Err(error) => failed(&*error),
    }
}

/// Says what became of what, and what to do next.
fn restore(args: &RestoreArgs) -> ExitCode {
    let url = match database() {
        Ok(url) => url,
        Err(problems) => return refuse(&problems),
    };
    match at_the_console(backup::restore(&url, &args.from, server_clock::now())) {
        Ok(restored) => {
            let Contents { images, pools, .. } = restored.contents;
            let from = args.from.display();
            let mut said = format!("Restored: the books of {images} images in {pools} pools, from {from}.\n");
            if let Some(aside) = restored.aside {
                said += &format!("The database that was there is now {}.\n", aside.display());
            }
            said += "Next: start the server. What was uploaded, moved or deleted after the copy was made is not in it.";
            console::answer(said, "The copy is the database now.")
        }
        Err(error) => failed(&*error),
    }
}

fn rebuild(process: Process, config: ServerConfig, args: RebuildArgs) -> ExitCode {
    telemetry::start(&config.node.log);
    telemetry::warn_of(&config.node.warnings);
    let rule = if args.add { RebuildRule::Add } else { RebuildRule::Anew };
    let ask = rebuild::Ask { nodes: args.nodes.into_iter().collect(), wait: args.wait, rule };
    process.run(async move |plane, mut signals| {
        let address = config.node.listen;
        let listener = async move || Ok(bind(address).await?);
        let report = tokio::select! {
            report = rebuild::run(config, ask, listener, plane) => report?,
            () = signals.heard() => return Err(RebuildError::Refused("stopped: run it again, it goes on".into())),
        };
        let lost = |error: std::io::Error| {
            RebuildError::Refused(format!("could not print what became of it: {error}. Run it again"))
        };
        console::print(&report).map_err(lost)?;
        if report.is_whole() {
            Ok(())
        } else {
            Err(RebuildError::Incomplete("the lines above say what is missing".into()))
        }
    })
}

fn database() -> Result<String, Problems> {
    let mut env = Env::process();
    let url = config::database_url(&mut env);
    env.finish(url)
}

type Trouble = Box<dyn std::error::Error>;

/// Does one thing and ends.
fn at_the_console<T, E: Into<Trouble>>(work: impl Future<Output = Result<T, E>>) -> Result<T, Trouble> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(work).map_err(Into::into)
}

/// One line with everything behind it.
fn failed(error: &(dyn std::error::Error + 'static)) -> ExitCode {
    let causes = std::iter::successors(Some(error), |error| error.source()).map(ToString::to_string);
    console::say(causes.collect::<Vec<_>>().join(": "));
    ExitCode::FAILURE
}

fn first_line() -> std::io::Result<String> {
    let mut line = String::new();
    std::io::stdin().lock().take(MAX_PASSWORD_BYTES as u64 + 2).read_line(&mut line)?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

fn dev(process: Process, args: DevArgs) -> ExitCode {
    let ports = match args.three_ports() {
        Ok(ports) => ports,
        Err(why) => {
            console::say(why);
            return ExitCode::from(2);
        }
    };
    let mut env = Env::process();
    let chosen = env.text("RUST_LOG").is_some();
    let mut log = NodeConfig::read_log(&mut env);
    if !chosen {
        DEV_LOG.clone_into(&mut log.filter);
    }
    let warnings = env.take_warnings();
    let log = match env.finish(log) {
        Ok(log) => log,
        Err(problems) => return refuse(&problems),
    };
    telemetry::start(&log);
    telemetry::warn_of(&warnings);
    let spec = Spec { data_dir: args.data_dir, ports };
    process.run(async move |plane, mut signals| {
        let mut env = Env::process();
        let cluster = Cluster::start(&spec, &mut env, plane).await?;
        let table = dev::table(&cluster, std::io::stdout().is_terminal());
        if let Err(error) = console::print(table.trim_end_matches('\n')) {
            console::say(format_args!("could not print the table: {error}"));
        }
        signals.heard().await;
        cluster.shutdown().await;
        Ok::<_, DevError>(())
    })
}
