//! `node-agent`: a storage node, configured by its environment.
#![deny(clippy::print_stdout, clippy::print_stderr, reason = "a closed or full stream would be a panic: see `console`")]

use std::process::ExitCode;

use clap::Parser as _;
use pixelfox_node::{
    cli::{Cli, Command},
    config::{AGENT_VARIABLES, Env, NodeConfig, VARIABLES, coordinator_urls},
    console, node, sys, telemetry,
};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let process = match node::Process::begin() {
        Ok(process) => process,
        Err(code) => return code,
    };
    let mut env = Env::process();
    let mut config = NodeConfig::read(&mut env, None);
    let coordinators = coordinator_urls(&mut env);
    let names = [VARIABLES, AGENT_VARIABLES].concat();
    env.warn_of_misspelt(&names.iter().map(|(name, _, _)| *name).collect::<Vec<_>>());
    config.warnings.extend(env.take_warnings());
    if let Some(Command::CheckConfig) = cli.command {
        config.look_at_disk(&mut env);
        return node::check(env, &config.warnings);
    }
    match env.finish(config) {
        Ok(config) => {
            sys::tune_allocator();
            telemetry::start(&config.log);
            telemetry::warn_of(&config.warnings);
            node::run_agent(process, config, &coordinators)
        }
        Err(problems) => {
            console::say(problems);
            ExitCode::FAILURE
        }
    }
}
