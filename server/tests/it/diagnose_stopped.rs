//! A node that stands still, a process of its own: what it should have said is said to be missing, and the rest is there.

use pixelfox_proto::v1::{self, finding::Status};

use crate::diagnose::{lines, says};
use crate::harness::{PATIENCE, admin_at};
use crate::programs::{ADMIN_TOKEN, Running, environment, free_ports};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_lines_of_a_node_that_stands_still_come_last_and_say_so() {
    // The server, s01 and s02 as processes. s02 is stopped by a signal, so that the system still takes its connections: every
    // line about the others comes before the first that s02 owes, and these are red or open, never green.
    let folder = tempfile::tempdir().unwrap();
    let [app, one, two] = free_ports::<3>();
    let start = |program: &str, node: &str, port: u16| {
        let mut environment = environment(node, port, app, folder.path());
        if program == "server" {
            environment.insert("AUTO_POOLS", "1".into());
        }
        std::fs::create_dir_all(&environment["UPLOADS_DIR"]).unwrap();
        Running::start(program, &[], &environment, folder.path())
    };
    let server = start("server", "local", app);
    let (s01, s02) = (start("node-agent", "s01", one), start("node-agent", "s02", two));
    let mut admin = admin_at(&format!("127.0.0.1:{app}"), ADMIN_TOKEN);
    let is_well = async {
        loop {
            let answer = admin.diagnose(v1::DiagnoseRequest::default()).await;
            let seen = if answer.is_ok() { lines(&mut admin, 0).await } else { Vec::new() };
            let pools = seen.iter().filter(|line| line.check == "write" && line.status() == Status::Ok).count();
            if pools == 3 && seen.iter().all(|line| line.status() == Status::Ok) {
                return seen.len();
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    };
    let count = tokio::time::timeout(PATIENCE, is_well).await.expect("a cluster that is well");

    s02.signal(rustix::process::Signal::STOP);
    let seen = lines(&mut admin, 0).await;
    s02.signal(rustix::process::Signal::CONT);
    let owes = |line: &v1::Finding| {
        line.subject == "pool img2" || line.subject.contains("s02 ") || line.subject.ends_with("> s02")
    };
    let (owed, others): (Vec<_>, Vec<_>) =
        seen.iter().enumerate().filter(|(_, line)| line.subject != "node s02").partition(|(_, line)| owes(line));
    assert!(others.iter().all(|(_, line)| line.status() == Status::Ok), "{seen:#?}");
    assert!(owed.iter().all(|(_, line)| line.status() != Status::Ok), "{seen:#?}");
    let (last, first) = (others.iter().map(|(at, _)| at).max().unwrap(), owed.iter().map(|(at, _)| at).min().unwrap());
    assert!(last < first, "{seen:#?}");
    says(&seen, "pool img2", "write", &["node s02", "no sign of life", "start it again"]);
    assert!(seen.len() < count, "one line stands for all that its pool would have said");
    for program in [s01, s02, server] {
        program.stop().await;
    }
}
