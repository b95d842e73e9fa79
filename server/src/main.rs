//! `server`: the coordinator with its embedded node, from the environment or as a whole dev cluster.

use std::{io::IsTerminal as _, process::ExitCode};

use clap::Parser as _;
use pixelfox_node::{
    config::{Env, NodeConfig, Problems},
    node::{bind, check, run_process, wait_for_signal},
    sys, telemetry,
};
use pixelfox_server::{
    app::App,
    cli::{Cli, Command, DevArgs},
    config::ServerConfig,
    dev::{self, Cluster, DevError, Spec},
};

fn main() -> ExitCode {
    sys::tune_allocator();
    match Cli::parse().command {
        Some(Command::Dev(args)) => dev(args),
        Some(Command::CheckConfig) => match read_environment() {
            Ok(config) => check(&config.node),
            Err(problems) => refuse(&problems),
        },
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

fn dev(args: DevArgs) -> ExitCode {
    let Ok(ports) = <[u16; 3]>::try_from(args.ports) else {
        eprintln!("--ports: three ports, of the app, s01 and s02, for instance --ports 8080,8082,8083");
        return ExitCode::from(2);
    };
    let mut env = Env::process();
    telemetry::start(&NodeConfig::read_log(&mut env));
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
