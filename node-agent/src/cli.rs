//! The command line of `node-agent`: run, or check the environment; `--help` shows every variable.

use clap::{Parser, Subcommand};

use crate::config::{AGENT_VARIABLES, VARIABLES};

/// PixelFox storage node.
#[derive(Debug, Parser)]
#[command(name = "node-agent", version, about, long_about = None, after_help = environment())]
pub struct Cli {
    /// Without a command: run the node from the environment.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What `node-agent` can do besides running.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Say everything that is wrong with the environment, and exit with 1 where something is.
    CheckConfig,
}

fn environment() -> String {
    let mut text = String::from("Environment:\n");
    for (name, default, meaning) in VARIABLES.iter().chain(AGENT_VARIABLES) {
        text.push_str(&format!("  {name:<30} {meaning} [default: {default}]\n"));
    }
    text
}
