//! One process around a node: threads, port, signals, exit code.

use std::{
    io::{self, IsTerminal as _},
    net::SocketAddr,
    process::ExitCode,
};

use tokio::{
    net::TcpListener,
    runtime::Runtime,
    signal::unix::{Signal, SignalKind, signal},
};
use tracing::info;

use super::{Agent, GRACE, StartError};
use crate::{
    config::{Env, NodeConfig, Problem, Problems},
    console,
    plane::Plane,
};

/// A process that has begun and does nothing yet. From then on SIGTERM and SIGINT end it in order, however early they
/// come: what was being started is started, and ended.
pub struct Process {
    runtime: Runtime,
    signals: Signals,
}

/// SIGTERM and SIGINT of this process.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

/// `node-agent` from its environment until SIGTERM or SIGINT.
#[must_use]
pub fn run_agent(process: Process, config: NodeConfig, coordinators: &[String]) -> ExitCode {
    process.run(async move |plane, mut signals| {
        let listener = bind(config.listen).await?;
        let agent = Agent::start(config, coordinators, listener, plane).await?;
        signals.heard().await;
        agent.shutdown().await;
        Ok::<_, StartError>(())
    })
}

/// Says all that is wrong with the environment, and what deserves a word. `warnings` are those that were taken out of
/// `env` before.
#[must_use]
pub fn check(env: Env<'_>, warnings: &[Problem]) -> ExitCode {
    let (problems, more) = env.into_findings();
    for warning in warnings.iter().chain(&more) {
        console::say(format_args!("warning: {warning}"));
    }
    if problems.0.is_empty() {
        return console::answer("the environment is fine", "");
    }
    console::say(problems);
    ExitCode::FAILURE
}

/// Listens, or says which port and how to change it.
///
/// # Errors
/// [`Problems`] with `APP_PORT`.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, Problems> {
    TcpListener::bind(address).await.map_err(|error| {
        let message = format!("could not listen on {address}: {error}. End what uses it, or choose another port");
        Problems(vec![Problem { variable: "APP_PORT".into(), message }])
    })
}

impl Process {
    /// Begins it, before anything that takes time. Where there are no threads to be had: says so, and the exit code.
    ///
    /// # Errors
    /// The exit code of a process that could not begin.
    pub fn begin() -> Result<Self, ExitCode> {
        let start = || -> io::Result<_> {
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
            let signals = {
                let _within = runtime.enter();
                Signals { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? }
            };
            Ok(Self { runtime, signals })
        };
        start().map_err(|error| could_not_start(&error))
    }

    /// Runs `life` with a data plane beside it. An error is one line on stderr with its causes, and exit code 1.
    pub fn run<E: std::error::Error + 'static>(
        self,
        life: impl AsyncFnOnce(Plane, Signals) -> Result<(), E>,
    ) -> ExitCode {
        let Self { runtime, signals } = self;
        let plane = match Plane::one_per_core() {
            Ok(plane) => plane,
            Err(error) => return could_not_start(&error),
        };
        let ended = runtime.block_on(async {
            let ended = life(plane.clone(), signals).await;
            plane.stop().await;
            ended
        });
        runtime.shutdown_background(); // a disk that hangs keeps no process alive
        match ended {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                let causes: Vec<String> =
                    std::iter::successors(Some(&error as &dyn std::error::Error), |error| error.source())
                        .map(ToString::to_string)
                        .collect();
                console::say(causes.join(": "));
                ExitCode::FAILURE
            }
        }
    }
}

fn could_not_start(error: &io::Error) -> ExitCode {
    console::say(format_args!("could not start the threads: {error}"));
    ExitCode::FAILURE
}

impl Signals {
    /// Returns at SIGTERM or SIGINT; at once where one has come before.
    pub async fn heard(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
        if io::stderr().is_terminal() {
            console::say("");
        }
        info!("stopping: running transfers have {} s to end", GRACE.as_secs());
    }
}
