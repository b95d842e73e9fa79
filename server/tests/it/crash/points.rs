//! Every crash point, read from the sources: a process ends there, starts again, and nothing is lost. A point that no
//! run comes by fails, and so does one that has another name now.

use std::{
    collections::{BTreeMap, VecDeque},
    path::Path,
    time::Duration,
};

use futures_util::future::join_all;
use parking_lot::Mutex;

use super::{
    client::Client,
    cluster::{Cluster, Role},
    story::Story,
};
use crate::programs::program;

/// Clusters at once: most of their time they wait.
const CLUSTERS: usize = 3;
/// A point that nobody has come by until then is not on the way.
const ON_THE_WAY: Duration = Duration::from_secs(25);

/// For so long old copies are kept, but for the points of their purge.
const TRASH_HOURS: u32 = 24;

/// One crash.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Run {
    point: String,
    role: Role,
    /// The n-th time that the process comes by, from 1.
    time: u32,
    /// Whether it has to come by that often.
    must: bool,
    /// Another one that ends while this one is there; `None`: this one ends.
    instead: Option<Role>,
}

impl Run {
    /// What the process is told of its point.
    fn armed(&self) -> String {
        let Self { point, time, instead, .. } = self;
        format!("{point}:{time}{}", if instead.is_some() { ":stop" } else { "" })
    }
}

/// Every point with the file that has it.
fn points() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut found = Vec::new();
    for src in ["node-agent/src", "server/src"] {
        for name in crate::harness::files_below(&root.join(src)) {
            let text = std::fs::read_to_string(root.join(src).join(&name)).unwrap();
            for (_, rest) in text.match_indices("crash_point!(\"").map(|(at, word)| text[at..].split_at(word.len())) {
                found.push((rest.split('"').next().unwrap().to_owned(), format!("{src}/{name}")));
            }
        }
    }
    found
}

/// Who comes by a point of this file.
fn roles(point: &str, file: &str) -> &'static [Role] {
    match (file.starts_with("server/"), first(point)) {
        (true, _) => &[Role::Server],
        // The coordinator has to answer while the node is away.
        (false, Some(_)) => &[Role::S01, Role::S02],
        (false, None) => &[Role::S01, Role::S02, Role::Server],
    }
}

/// The point where a process ends first, so that it comes by this one when it starts again: on its disk is a restore that
/// was cut short, and its move is called off while it is away.
fn first(point: &str) -> Option<&'static str> {
    match point.split_once('.') {
        Some(("half_restored", _)) => Some("restore.after_mark_sync"),
        Some(("twin", _)) => Some("restore.after_name"),
        _ => None,
    }
}

#[test]
fn each_crash_point_has_a_name_of_its_own_and_ordinary_programs_have_none() {
    // The names are looked for in the programs that `cargo build` makes: without the feature they are not there.
    let mut files: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, file) in points() {
        files.entry(name).or_default().push(file);
    }
    assert!(files.len() > 40, "the sources have hardly any: {files:?}");
    let doubled: Vec<_> = files.iter().filter(|(_, files)| files.len() > 1).collect();
    assert!(doubled.is_empty(), "{doubled:?}");
    for program in [program("server"), program("node-agent")] {
        let bytes = std::fs::read(&program).unwrap();
        let has = |word: &str| bytes.windows(word.len()).any(|window| window == word.as_bytes());
        for word in ["CRASH_POINT", "crash point ", "move.after_commit", "store.before_name"] {
            assert!(!has(word), "{} has {word:?}: build it without crash-points", program.display());
        }
    }
    for manifest in ["Cargo.toml", "server/Cargo.toml", "node-agent/Cargo.toml", "admin-web/Cargo.toml"] {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let text = std::fs::read_to_string(root.join(manifest)).unwrap();
        assert!(!text.lines().any(|line| line.starts_with("default =")), "{manifest} has default features");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_ends_at_any_crash_point_costs_nothing() {
    // Each point once: what is the coordinator's in the server, what is a node's in s01 and s02 in turn.
    let turn = |(n, (point, file)): (usize, (String, String))| {
        let role = *roles(&point, &file).get(n % 2).unwrap_or(&Role::Server);
        Run { point, role, time: 1, must: true, instead: None }
    };
    survive(points().into_iter().enumerate().map(turn).collect()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "slow: every crash point in every role, the first time and later ones; make test-crash"]
async fn a_process_that_ends_at_any_crash_point_in_any_role_costs_nothing() {
    // As above, in the embedded node too, and not only the first time that a process comes by.
    let mut runs = Vec::new();
    for (point, file) in points() {
        for role in roles(&point, &file) {
            for (time, must) in [(1, true), (2, false), (5, false)] {
                runs.push(Run { point: point.clone(), role: *role, time, must, instead: None });
            }
        }
    }
    survive(runs).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "slow: at every crash point in every role each of the others; make test-crash"]
async fn a_process_that_ends_while_another_is_at_a_crash_point_costs_nothing() {
    // Who comes by stands still, another one is killed and starts again, and then the first one goes on as if nothing
    // had been.
    let mut runs = Vec::new();
    for (point, file) in points() {
        for role in roles(&point, &file) {
            for instead in Role::ALL.into_iter().filter(|other| other != role) {
                runs.push(Run { point: point.clone(), role: *role, time: 1, must: true, instead: Some(instead) });
            }
        }
    }
    survive(runs).await;
}

/// Goes through all of it with several clusters at once; says at the end what went wrong.
async fn survive(runs: Vec<Run>) {
    #[expect(clippy::disallowed_methods, reason = "a person who looks into one point")]
    let only = std::env::var("CRASH_ONLY").unwrap_or_default();
    let wanted = |run: &Run| run.point.starts_with(&only);
    let runs = Mutex::new(runs.into_iter().filter(wanted).collect::<VecDeque<_>>());
    let faults = Mutex::new(Vec::new());
    join_all([(); CLUSTERS].map(|()| async {
        let mut at_work = None;
        loop {
            let Some(run) = runs.lock().pop_front() else { return };
            let (mut cluster, story) = match at_work.take() {
                Some(at_work) => at_work,
                None => begin().await,
            };
            match Box::pin(round(&mut cluster, story, &run)).await {
                // With the trash emptied there is nothing that the next round could bring back.
                Ok(_) if run.point.starts_with("purging.") => {}
                Ok(story) => at_work = Some((cluster, story)),
                Err(why) => {
                    let kept = cluster.keep();
                    faults.lock().push(format!("{run:?} ({}): {why}", kept.display()));
                }
            }
        }
    }))
    .await;
    let faults = faults.into_inner();
    assert!(faults.is_empty(), "\n{}", faults.join("\n\n"));
}

/// A cluster with something to do, stopped.
async fn begin() -> (Cluster, Story) {
    let mut cluster = Cluster::start().await;
    let mut story = Story::default().prepare(&cluster.client).await;
    // So that what goes there, what comes back and what is deleted are there from the first crash on.
    for _ in 0..2 {
        story.run(&cluster.client).await;
        cluster.settled().await.unwrap();
        story = story.prepare(&cluster.client).await;
    }
    cluster.check().await.unwrap();
    (cluster, story)
}

/// What has to be there before a round begins, so that its point is passed.
fn set_the_stage(cluster: &mut Cluster, story: &mut Story, run: &Run) {
    let (mut after, mut every) = ("10m", "1m");
    match run.point.split_once('.') {
        Some(("give_up", _)) => story.spoil_old_copies(&cluster.client),
        Some(("double", _)) => story.take_places_in_trash(&cluster.client, run.role),
        Some(("recover", _)) => (after, every) = ("1s", "1s"),
        _ => {}
    }
    cluster.change(Role::Server, "JOB_STUCK_AFTER", after);
    cluster.change(Role::Server, "JOB_SWEEP_INTERVAL", every);
}

/// What the story alone does not come by.
async fn provoke(cluster: &mut Cluster, point: &str, to_read: &[String]) {
    match point.split_once('.') {
        // What comes back when another node is lost.
        Some(("return", _)) => {
            cluster.ready(Role::S02).await;
            cluster.kill(Role::S02).await;
            cluster.run(Role::S02, None);
        }
        Some(("purging", _)) => cluster.client.keep_trash(0).await,
        // Moves that hardly get on.
        Some(("recover", _)) => cluster.client.limit_moves(1).await,
        Some(("check_word", _)) => cluster.client.verify(to_read).await,
        _ => {}
    }
}

/// What people ask for beside the story, so that its point is passed.
async fn ask(client: &Client, point: &str) {
    match point.split_once('.') {
        Some(("undo", _)) => client.undo().await,
        Some(("queue", _)) => client.hold_up().await,
        _ => {}
    }
}

/// Waits for a process to come by, and for it or another one to have ended and begun anew.
async fn crash(cluster: &mut Cluster, run: &Run, coming_back: &[String]) -> Result<(), String> {
    let Run { point, role, must, instead, .. } = run;
    let patience = if *must { ON_THE_WAY } else { ON_THE_WAY / 5 };
    if let Some(first) = first(point) {
        cluster.crashed(*role, first, patience).await?;
        cluster.client.call_off(coming_back).await;
        cluster.run(*role, Some(&run.armed()));
    }
    let Some(instead) = *instead else {
        let crashed = cluster.crashed(*role, point, patience).await;
        // One that did not come by so often must not end later, when nothing is expected to happen.
        if crashed.is_err() && cluster.is_running(*role) {
            cluster.kill(*role).await;
        }
        cluster.run(*role, None);
        return crashed;
    };
    let stopped = cluster.stopped(*role, point, patience).await;
    if stopped.is_err() {
        cluster.kill(*role).await;
        cluster.run(*role, None);
        return stopped;
    }
    cluster.kill(instead).await;
    cluster.run(instead, None);
    // What stands still finds everything changed where that can be had without it.
    if *role != Role::Server {
        cluster.ready(instead).await;
    }
    cluster.go_on(*role);
    Ok(())
}

/// One crash: the story begins, the process ends, starts again, and everything comes to its end.
async fn round(cluster: &mut Cluster, mut story: Story, run: &Run) -> Result<Story, String> {
    let Run { point, role, must, instead, .. } = run;
    set_the_stage(cluster, &mut story, run);
    let began = tokio::time::Instant::now();
    cluster.run(*role, Some(&first(point).map_or_else(|| run.armed(), |first| format!("{first}:1"))));
    for other in Role::ALL.into_iter().filter(|other| other != role) {
        cluster.run(other, None);
    }
    let (client, to_read, coming_back) = (cluster.client.clone(), story.uuids(), story.coming_back());
    let crash = async {
        provoke(cluster, point, &to_read).await;
        crash(cluster, run, &coming_back).await
    };
    let (crashed, (), ()) = tokio::join!(crash, story.run(&client), ask(&client, point));
    let crashed_in = began.elapsed();
    if *must {
        crashed?;
    }
    client.keep_trash(TRASH_HOURS).await;
    client.limit_moves(0).await;
    for role in Role::ALL {
        cluster.ready(role).await;
    }
    cluster.settled().await?;
    let settled_in = began.elapsed();
    let story = story.prepare(&client).await;
    let prepared_in = began.elapsed();
    cluster.check().await?;
    eprintln!(
        "{point} in {role:?} (ends: {:?}): crashed after {:.1} s, settled after {:.1} s, ready for the next after {:.1} s, checked after {:.1} s",
        instead.unwrap_or(*role),
        crashed_in.as_secs_f32(),
        settled_in.as_secs_f32(),
        prepared_in.as_secs_f32(),
        began.elapsed().as_secs_f32()
    );
    Ok(story)
}
