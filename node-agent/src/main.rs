//! `node-agent`: a storage node, configured by its environment.

use std::process::ExitCode;

use clap::Parser as _;
use pixelfox_node::{
    cli::{Cli, Command},
    config::{Env, NodeConfig, coordinator_urls},
    node, sys, telemetry,
};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let mut env = Env::process();
    let config = NodeConfig::read(&mut env, None);
    let coordinators = coordinator_urls(&mut env);
    let config = match env.finish(config) {
        Ok(config) => config,
        Err(problems) => {
            eprintln!("{problems}");
            return ExitCode::FAILURE;
        }
    };
    match cli.command {
        Some(Command::CheckConfig) => node::check(&config),
        None => {
            sys::tune_allocator();
            telemetry::start(&config.log);
            node::run_agent(config, &coordinators)
        }
    }
}
