//! One process around a node: threads, port, signals, exit code.

use std::{
    io::{self, IsTerminal as _},
    net::SocketAddr,
    process::ExitCode,
};

use tokio::net::TcpListener;
use tracing::{info, warn};

use super::{Agent, GRACE, StartError};
use crate::{
    config::{Env, NodeConfig, Problem, Problems},
    plane::Plane,
};

/// `node-agent` from its environment until SIGTERM or SIGINT.
#[must_use]
pub fn run_agent(config: NodeConfig, coordinators: &[String]) -> ExitCode {
    run_process(async move |plane| {
        let listener = bind(config.listen).await?;
        let agent = Agent::start(config, coordinators, listener, plane).await?;
        wait_for_signal().await;
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
        eprintln!("warning: {warning}");
    }
    if problems.0.is_empty() {
        println!("the environment is fine");
        return ExitCode::SUCCESS;
    }
    eprintln!("{problems}");
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

/// Runs `life` on a control runtime with a data plane beside it. An error is one line on stderr with its causes, and
/// exit code 1.
pub fn run_process<E: std::error::Error + 'static>(life: impl AsyncFnOnce(Plane) -> Result<(), E>) -> ExitCode {
    let start = || -> io::Result<_> {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        Ok((runtime, Plane::one_per_core()?))
    };
    let (runtime, plane) = match start() {
        Ok(started) => started,
        Err(error) => {
            eprintln!("could not start the threads: {error}");
            return ExitCode::FAILURE;
        }
    };
    let ended = runtime.block_on(async {
        let ended = life(plane.clone()).await;
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
            eprintln!("{}", causes.join(": "));
            ExitCode::FAILURE
        }
    }
}

/// Returns at SIGTERM or SIGINT.
pub async fn wait_for_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut term), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) else {
        warn!("could not listen for signals: this process ends only by SIGKILL");
        return std::future::pending().await;
    };
    tokio::select! {
        _ = term.recv() => {}
        _ = interrupt.recv() => {}
    }
    if io::stderr().is_terminal() {
        eprintln!();
    }
    info!("stopping: running transfers have {} s to end", GRACE.as_secs());
}
