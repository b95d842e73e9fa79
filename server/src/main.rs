//! `server`: the coordinator with its embedded node, from the environment or as a whole dev cluster.

use std::{io::IsTerminal as _, process::ExitCode};

use clap::Parser as _;
use pixelfox_node::{
    clock,
    config::{Env, NodeConfig, Problems},
    node::{bind, check, run_process, wait_for_signal},
    sys, telemetry,
};
use pixelfox_server::{
    app::App,
    cli::{Cli, Command, DevArgs, UploadTokenArgs},
    config::ServerConfig,
    dev::{self, Cluster, DevError, Spec},
};

fn main() -> ExitCode {
    sys::tune_allocator();
    match Cli::parse().command {
        Some(Command::Dev(args)) => dev(args),
        Some(Command::UploadToken(args)) => upload_token(&args),
        Some(Command::CheckConfig) => {
            let mut env = Env::process();
            let config = ServerConfig::read(&mut env);
            config.look_at_disk(&mut env);
            check(env, &config.node.warnings)
        }
        None => match read_environment() {
            Ok(config) => serve(config),
            Err(problems) => refuse(&problems),
        },
    }
}

fn read_environment() -> Result<ServerConfig, Problems> {
    let mut env = Env::process();
    let config = ServerConfig::read(&mut env);
    env.finish(config)
}

fn refuse(problems: &Problems) -> ExitCode {
    eprintln!("{problems}");
    ExitCode::FAILURE
}

fn serve(config: ServerConfig) -> ExitCode {
    telemetry::start(&config.node.log);
    telemetry::warn_of(&config.node.warnings);
    run_process(async move |plane| {
        let listener = bind(config.node.listen).await?;
        let app = App::start(config, listener, plane).await?;
        tokio::select! {
            () = wait_for_signal() => app.shutdown().await,
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
    match env.finish(secret.unwrap_or_default()) {
        Ok(secret) => {
            println!("{}", args.claims(clock::unix_seconds()).mint(secret.as_bytes()));
            ExitCode::SUCCESS
        }
        Err(problems) => refuse(&problems),
    }
}

fn dev(args: DevArgs) -> ExitCode {
    let ports = match args.three_ports() {
        Ok(ports) => ports,
        Err(why) => {
            eprintln!("{why}");
            return ExitCode::from(2);
        }
    };
    let mut env = Env::process();
    let log = NodeConfig::read_log(&mut env);
    let warnings = env.take_warnings();
    let log = match env.finish(log) {
        Ok(log) => log,
        Err(problems) => return refuse(&problems),
    };
    telemetry::start(&log);
    telemetry::warn_of(&warnings);
    let spec = Spec { data_dir: args.data_dir, ports };
    run_process(async move |plane| {
        let mut env = Env::process();
        let cluster = Cluster::start(&spec, &mut env, plane).await?;
        print!("{}", dev::table(&cluster, std::io::stdout().is_terminal()));
        wait_for_signal().await;
        cluster.shutdown().await;
        Ok::<_, DevError>(())
    })
}
