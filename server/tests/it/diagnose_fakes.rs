//! `Admin.Diagnose` over fake nodes: what hangs holds up nobody else's lines, and what only fakes can say.

use std::collections::BTreeMap;

use futures_util::FutureExt as _;
use pixelfox_node::config::{Env, NodeConfig};
use pixelfox_proto::v1::{self, finding::Status, node_command::Command, target_report::Answer};

use crate::diagnose::says;
use crate::office::{FakeNode, Office, Web, admins, answered_at_once, hello, within};

/// How many questions a node has to answer at once, of one kind.
const AT_ONCE: usize = 8;

async fn lines(office: &Office) -> Vec<v1::Finding> {
    let stream = office.admin().await.diagnose(admins(v1::DiagnoseRequest::default())).await.unwrap().into_inner();
    let all = within("all lines", futures_util::TryStreamExt::try_collect::<Vec<_>>(stream)).await;
    all.unwrap()
}

/// Subject, check and status of what is in one and not in the other.
fn changed(before: &[v1::Finding], after: &[v1::Finding]) -> Vec<(String, String, Status)> {
    let mut counts: BTreeMap<(String, String, i32), i32> = BTreeMap::new();
    for (lines, step) in [(before, -1), (after, 1)] {
        for line in lines {
            *counts.entry((line.subject.clone(), line.check.clone(), line.status)).or_default() += step;
        }
    }
    let differ = counts.into_iter().filter(|(_, count)| *count != 0);
    differ.map(|((subject, check, status), _)| (subject, check, status.try_into().unwrap())).collect()
}

/// A fake node whose pool's public URL says who it is.
async fn with_web(node: &str) -> (v1::Hello, Web) {
    let web = Web::of(node).await;
    (v1::Hello { public_base_url: web.url.clone(), ..hello(node) }, web)
}

#[tokio::test]
async fn of_twelve_nodes_one_that_is_silent_holds_up_no_other_line() {
    // 132 ways. s05 takes questions and answers none: the lines of all others come, and it has a few questions to answer
    // and no more. That this holds for fifty is shown beside the code, where no time passes.
    const SILENT: &str = "s05";
    const OTHERS: usize = 11;
    let office = Office::open().await;
    let (mut nodes, mut webs, mut silent) = (Vec::new(), Vec::new(), None);
    for number in 1..=OTHERS + 1 {
        let (hello, web) = with_web(&format!("s{number:02}")).await;
        webs.push(web);
        if hello.node_id == SILENT {
            silent = Some(FakeNode::attach_with(&office, hello, |_| None).await);
        } else {
            nodes.push(FakeNode::attach_with(&office, hello, answered_at_once).await);
        }
    }
    let mut admin = office.admin().await;
    let mut stream = admin.diagnose(admins(v1::DiagnoseRequest::default())).await.unwrap().into_inner();
    let (mut ways, mut pools) = (0, 0);
    while ways < OTHERS * OTHERS || pools < OTHERS {
        let line = within("a line", stream.message()).await.unwrap().expect("more lines");
        let is_silents = line.subject == "pool img5" || line.subject.starts_with(&format!("{SILENT} ->"));
        assert!(!is_silents, "nobody has answered that: {line:?}");
        ways += usize::from(line.check == "upload_api_url");
        pools += usize::from(line.check == "write");
    }
    let mut silent = silent.unwrap();
    let mut asked = (0, 0);
    for _ in 0..=AT_ONCE {
        match silent.next().await.1 {
            Command::ProbePool(_) => asked.0 += 1,
            Command::ProbeTarget(_) => asked.1 += 1,
            other => panic!("not a question: {other:?}"),
        }
    }
    assert_eq!(asked, (1, AT_ONCE));
    assert!(silent.quiet().now_or_never().is_none(), "one question too many");
    drop(stream);
    office.close().await;
}

/// A node that reaches nobody but answers all else.
fn reaches_nobody(command: &v1::NodeCommand) -> Option<v1::CommandResult> {
    let mut result = answered_at_once(command)?;
    if let Some(target) = &mut result.target {
        *target = v1::TargetReport { problem: "the name app_s01:4000 is not known here".into(), ..Default::default() };
        target.set_answer(Answer::NoSuchName);
    }
    Some(result)
}

#[tokio::test]
async fn the_one_node_that_cannot_reach_an_upload_url_is_named() {
    // s01 and s03 reach everybody; s02 does not know the names of the two: its two ways turn red and nothing else.
    let office = Office::open().await;
    let mut nodes = Vec::new();
    let mut webs = Vec::new();
    for node in ["s01", "s02", "s03"] {
        let (hello, web) = with_web(node).await;
        webs.push(web);
        nodes.push(FakeNode::attach_with(&office, hello, answered_at_once).await);
    }
    let before = lines(&office).await;
    assert!(before.iter().all(|line| line.status() == Status::Ok), "{before:#?}");
    let again = v1::Hello { public_base_url: webs[1].url.clone(), ..hello("s02") };
    nodes[1] = FakeNode::attach_with(&office, again, reaches_nobody).await;
    let after = lines(&office).await;
    let line = |way: &str, status| (way.to_owned(), "upload_api_url".to_owned(), status);
    let secret = |way: &str| (way.to_owned(), "secret".to_owned(), Status::Ok);
    let (one, three) = ("s02 -> s01", "s02 -> s03");
    let mut want = vec![line(one, Status::Ok), line(one, Status::Failed), line(three, Status::Ok)];
    want.extend([line(three, Status::Failed), secret(one), secret(three)]);
    want.sort();
    assert_eq!(changed(&before, &after), want, "{after:#?}");
    says(&after, one, "upload_api_url", &["node s02 can't reach", "must be known on node s02", "NODE_URL"]);
    office.close().await;
}

#[tokio::test]
async fn what_a_node_says_of_its_variables_is_a_line_of_its_own() {
    // A secret that everybody knows, and one that can be guessed, as the node's own rules find them.
    let variables = [
        ("PUBLIC_DOMAIN", "http://pictures.example.org"),
        ("REPLICATION_SECRET", "dev_replication_secret_change_me"),
        ("UPLOAD_TOKEN_SECRET", "short"),
        ("UPLOADS_DIR", "/app/uploads"),
    ];
    let mut env = Env::new(move |name| {
        let found = variables.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| (*value).into())
    });
    let warnings: Vec<String> = NodeConfig::read(&mut env, None).warnings.iter().map(ToString::to_string).collect();
    let office = Office::open().await;
    let (well, _web) = with_web("s01").await;
    let _node = FakeNode::attach_with(&office, well.clone(), answered_at_once).await;
    let before = lines(&office).await;
    let _node = FakeNode::attach_with(&office, v1::Hello { warnings, ..well }, answered_at_once).await;
    let after = lines(&office).await;
    assert_eq!(changed(&before, &after), [("node s01".to_owned(), "secret".to_owned(), Status::Warning)], "{after:#?}");
    says(
        &after,
        "node s01",
        "secret",
        &["the one of .env.dev", "Change REPLICATION_SECRET in the environment of node s01"],
    );
    says(&after, "node s01", "secret", &["can be guessed", "Change UPLOAD_TOKEN_SECRET"]);
    office.close().await;
}

#[tokio::test]
async fn pools_by_http_under_pages_by_https_are_told() {
    // The server's own node says that browsers see it by https by now; s01's pool is still http, by a name that is not here.
    let office = Office::open().await;
    let own = |scheme: &str| v1::Hello { public_base_url: format!("{scheme}://127.0.0.1:1"), ..hello("local") };
    let outside = v1::Hello { public_base_url: "http://198.51.100.1.invalid".into(), ..hello("s01") };
    let _node = FakeNode::attach_with(&office, outside, answered_at_once).await;
    let _local = FakeNode::attach_with(&office, own("http"), answered_at_once).await;
    let before = lines(&office).await;
    let _local = FakeNode::attach_with(&office, own("https"), answered_at_once).await;
    let after = lines(&office).await;
    assert_eq!(changed(&before, &after), [("pool img1".to_owned(), "public_base_url".to_owned(), Status::Warning)]);
    says(&after, "pool img1", "public_base_url", &["is http, but the pages are https", "TLS in front of node s01"]);
    office.close().await;
}

#[tokio::test]
async fn as_many_diagnoses_as_there_may_be_hold_up_no_other_and_one_that_is_left_makes_room() {
    // The node answers nothing, so that none ends. The one too many is told so at once and asks nobody; a reader who leaves
    // makes room for the next.
    const RUNS: usize = 4;
    let office = Office::open().await;
    let _silent = FakeNode::attach_with(&office, hello("s01"), |_| None).await;
    let mut admin = office.admin().await;
    let mut running = Vec::new();
    for _ in 0..RUNS {
        let mut stream = admin.diagnose(admins(v1::DiagnoseRequest::default())).await.unwrap().into_inner();
        within("a line", stream.message()).await.unwrap().expect("what nobody has to be asked for");
        running.push(stream);
    }
    let refused = admin.diagnose(admins(v1::DiagnoseRequest::default())).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::ResourceExhausted);
    assert!(refused.message().contains("4 diagnoses run already"), "{refused:?}");
    drop(running.pop());
    let again = async || {
        let mut admin = office.admin().await;
        admin.diagnose(admins(v1::DiagnoseRequest::default())).await.ok()
    };
    crate::harness::until("a place that was left", again).await;
    office.close().await;
}
