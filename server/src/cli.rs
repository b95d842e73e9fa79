//! The command line of `server`: what to run, and `--help` with every variable behind it.

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use pixelfox_node::config::{self, Variable};

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
    /// Say everything that is wrong with the environment, and exit with 1 where something is.
    CheckConfig,
}

/// Options of `server dev`.
#[derive(Clone, Debug, Parser)]
pub struct DevArgs {
    /// Where the three nodes keep their data, the books and the generated secrets.
    #[arg(long, default_value = ".dev")]
    pub data_dir: PathBuf,
    /// Ports of the coordinator, s01 and s02; 0 takes a free one.
    #[arg(long, value_delimiter = ',', num_args = 1, default_values_t = [8080, 8082, 8083])]
    pub ports: Vec<u16>,
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
