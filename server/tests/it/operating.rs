//! docs/operating.md: its commands do what it says, its figures are those that were measured, its proxy is one that works.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;
use tempfile::TempDir;
use tokio::{process::Command, time::timeout};

use crate::{
    grpcurl::run_page,
    harness::{PATIENCE, png},
    processes::{run, stderr},
    programs::{ADMIN_TOKEN, Running, environment, free_ports, program},
};

fn text(name: &str) -> String {
    fs::read_to_string(PathBuf::from(env!("CARGO_MANIFEST_DIR")).with_file_name(name)).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_command_of_the_operating_page_does_what_it_says() {
    let mut path = program("server").parent().unwrap().as_os_str().to_owned();
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap());
    run_page("docs/operating.md", &[("PATH", path.into_string().unwrap()), ("LC_ALL", "C.UTF-8".into())]).await;
}

/// Numbers of at least two digits, with their thousands and decimals: `2,011` and `2011` are one.
fn figures(text: &str) -> Vec<String> {
    let words = text.replace(',', "");
    let words = words.split(|c: char| !c.is_ascii_digit() && c != '.').map(|word| word.trim_matches('.').to_owned());
    words.filter(|word| word.chars().filter(char::is_ascii_digit).count() > 1).collect()
}

#[test]
fn the_figures_for_sizing_were_measured() {
    let page = text("docs/operating.md");
    let sizing = page.split("\n## Sizing\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let table: String = sizing.lines().filter(|line| line.starts_with("| ")).collect::<Vec<_>>().join("\n");
    let measured = figures(&text("docs/PERFORMANCE.md"));
    let claimed = figures(&table);
    assert!(claimed.len() > 10, "{claimed:?}");
    let strange: Vec<&String> = claimed.iter().filter(|figure| !measured.contains(figure)).collect();
    assert!(strange.is_empty(), "not in docs/PERFORMANCE.md: {strange:?}");
}

/// Where Caddy is: `make tools` puts it beside the tests' other programs.
fn caddy() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap();
    let found = std::env::split_paths(&path).map(|dir| dir.join("caddy")).find(|file| file.is_file());
    found.expect("caddy is not there: `make tools` fetches it, then PATH=target/tools:$PATH; or apt-get install caddy")
}

#[test]
fn the_page_shows_the_caddyfile_that_there_is() {
    let file = text("ops/caddy/Caddyfile");
    let code: Vec<&str> = file.lines().filter(|line| !line.starts_with('#')).collect();
    let page = text("docs/operating.md");
    let shown = page.split("```caddyfile\n").nth(1).unwrap().split("```").next().unwrap();
    assert_eq!(shown.lines().collect::<Vec<_>>(), code);
}

/// Our Caddyfile with a certificate of Caddy's own authority, as it makes one for an address, in front of a server: a node
/// attaches by https, the command line gets through, a browser gets the pages, and cookies that only go over TLS.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn caddy_passes_nodes_the_command_line_and_browsers() {
    let folder = TempDir::new().unwrap();
    let dir = folder.path();
    let [app, s01, tls] = free_ports();
    let url = format!("https://127.0.0.1:{tls}");
    let own = "{\n\tadmin off\n\tauto_https disable_redirects\n\tskip_install_trust\n}\n";
    fs::write(dir.join("Caddyfile"), format!("{own}{}", text("ops/caddy/Caddyfile"))).unwrap();
    let home = dir.display().to_string();
    let variables = HashMap::from([
        ("HOME", home.clone()),
        ("XDG_DATA_HOME", home.clone()),
        ("XDG_CONFIG_HOME", home),
        ("PIXELFOX_HOST", url.clone()),
        ("PIXELFOX_UPSTREAM", format!("127.0.0.1:{app}")),
    ]);
    let proxy =
        Running::start_at(&caddy(), &["run", "--config", "Caddyfile", "--adapter", "caddyfile"], &variables, dir);
    proxy.says(&["certificate obtained successfully"]).await;
    let authority = dir.join("caddy/pki/authorities/local/root.crt").display().to_string();

    let mut of_server = environment("local", app, app, dir);
    let https = [("NODE_URL", &url), ("PUBLIC_DOMAIN", &url), ("TLS_CA_FILE", &authority)];
    of_server.extend(https.map(|(name, value)| (name, value.clone())));
    of_server.extend([("TRUSTED_PROXIES", "127.0.0.1".to_owned()), ("AUTO_POOLS", "1".to_owned())]);
    let server = Running::start("server", &[], &of_server, dir);
    server.says(&["listening on"]).await;
    let mut of_node = environment("s01", s01, app, dir);
    of_node.extend([("COORDINATOR_URL", url.clone()), ("TLS_CA_FILE", authority.clone())]);
    let node = Running::start("node-agent", &[], &of_node, dir);
    node.says(&["attached to the coordinator"]).await;

    let by_token = [("ADMIN_TOKEN", ADMIN_TOKEN), ("TLS_CA_FILE", authority.as_str())];
    let nodes = run("server", &["ctl", "nodes", "--url", &url], &by_token).await;
    assert!(nodes.status.success(), "{}", stderr(&nodes));
    let said = String::from_utf8(nodes.stdout).unwrap();
    assert!(said.lines().any(|line| line.starts_with("s01 ") && line.contains(" online ")), "{said}");

    is_trusted_by_its_own_authority_alone(&url, dir, &authority).await;
    let page = format!("{url}/admin/login");
    let asked = ["-sS", "--cacert", &authority, "-D", "-", "-o", "/dev/null", &page];
    let answer = Command::new("curl").args(asked).output().await.unwrap();
    let head = String::from_utf8_lossy(&answer.stdout).into_owned();
    assert!(head.contains(" 200") && head.contains("set-cookie: __Host-"), "{head}\n{}", stderr(&answer));
    assert!(head.lines().filter(|line| line.starts_with("set-cookie")).all(|line| line.contains("; Secure")), "{head}");
    node.stop().await;
    server.stop().await;
}

/// With `--ca-file` alone the command line gets through. Without it, with another authority's, by another name: nobody is
/// reached, and one line says why and what to do.
async fn is_trusted_by_its_own_authority_alone(url: &str, dir: &Path, authority: &str) {
    let by_token = [("ADMIN_TOKEN", ADMIN_TOKEN)];
    let status = run("server", &["ctl", "status", "--url", url, "--ca-file", authority], &by_token).await;
    assert!(status.status.success(), "{}", stderr(&status));
    assert!(String::from_utf8_lossy(&status.stdout).contains("2 of 2 online"), "{status:?}");
    let other = dir.join("other.pem").display().to_string();
    fs::write(&other, rcgen::generate_simple_self_signed(vec!["other".into()]).unwrap().cert.pem()).unwrap();
    let of_other = format!("none of those in {other}: name the file of the one that made it with --ca-file");
    let by_name = url.replace("127.0.0.1", "localhost");
    for (words, want) in [
        (&["--url", url][..], "none of the system's: name the file of the one that made it with --ca-file"),
        (&["--url", url, "--ca-file", &other], &of_other),
        (&["--url", &by_name, "--ca-file", authority], "use the name that its certificate is for"),
    ] {
        let refused = run("server", &[&["ctl", "status"], words].concat(), &by_token).await;
        let said = stderr(&refused);
        assert_eq!((refused.status.code(), said.lines().count()), (Some(4), 1), "{words:?}: {said}");
        assert!(said.starts_with(&format!("unreachable: {}: ", words[1])) && said.contains(want), "{words:?}: {said}");
    }
}

/// One value of each secret, and another that is accepted beside it.
#[derive(Clone, Copy)]
struct Values(&'static str, Option<&'static str>);

const OLD: &str = "the old value of a secret";
const NEW: &str = "the new value of a secret";

fn with_secrets(mut environment: HashMap<&'static str, String>, values: Values) -> HashMap<&'static str, String> {
    for (name, previous) in
        [("REPLICATION_SECRET", "REPLICATION_SECRET_PREVIOUS"), ("UPLOAD_TOKEN_SECRET", "UPLOAD_TOKEN_SECRET_PREVIOUS")]
    {
        environment.insert(name, values.0.to_owned());
        environment.extend(values.1.map(|value| (previous, value.to_owned())));
    }
    environment
}

/// Once the server knows that the node's pool is well, a picture through the app is stored there: each of the two knows
/// what the other sends and signs.
async fn upload_reaches_the_node(app: u16, s01: u16, dir: &Path) {
    let url = format!("http://127.0.0.1:{app}");
    let show = ["ctl", "pools", "show", "img1", "--json", "--url", &url];
    let is_well = async {
        loop {
            let shown = run("server", &show, &[("ADMIN_TOKEN", ADMIN_TOKEN)]).await;
            if serde_json::from_slice(&shown.stdout).is_ok_and(|pool: Value| pool["healthy"] == true) {
                return;
            }
        }
    };
    timeout(PATIENCE, is_well).await.expect("the pool of s01 is not well");
    fs::write(dir.join("a.png"), png(8, 100)).unwrap();
    let upload = format!("{url}/upload");
    let asked = ["-sS", "-H", "Accept: application/json", "-F", "file=@a.png", &upload];
    let answer = Command::new("curl").args(asked).current_dir(dir).output().await.unwrap();
    let said = String::from_utf8_lossy(&answer.stdout).into_owned();
    assert!(said.contains(&format!("\"url\":\"http://127.0.0.1:{s01}/uploads/")), "{said}");
}

/// "Changing secrets without a stop": after each restart of its steps the node is attached and takes what the server sends.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secrets_change_without_a_stop_in_the_order_of_the_page() {
    let folder = TempDir::new().unwrap();
    let dir = folder.path();
    let [app, s01] = free_ports();
    let start_server = async |values| {
        let mut variables = with_secrets(environment("local", app, app, dir), values);
        variables.extend(["AUTO_POOLS", "PUBLIC_UPLOADS"].map(|name| (name, "1".to_owned())));
        let server = Running::start("server", &[], &variables, dir);
        server.says(&["listening on"]).await;
        server
    };
    let start_node = |values| {
        let variables = with_secrets(environment("s01", s01, app, dir), values);
        Running::start("node-agent", &[], &variables, dir)
    };
    let mut server = start_server(Values(OLD, None)).await;
    let mut node = start_node(Values(OLD, None));
    node.says(&["pool", "is healthy"]).await;
    upload_reaches_the_node(app, s01, dir).await;
    // without the first step the server does not know what the node sends
    node.stop().await;
    node = start_node(Values(NEW, Some(OLD)));
    node.says(&["the coordinator refused this node"]).await;

    for values in [Values(OLD, Some(NEW)), Values(NEW, Some(OLD)), Values(NEW, None)] {
        node.stop().await;
        node = start_node(values);
        node.says(&["attached to the coordinator"]).await;
        node.says(&["pool", "is healthy"]).await;
        upload_reaches_the_node(app, s01, dir).await;
        server.stop().await;
        server = start_server(values).await;
        server.says(&["Node s01 attached"]).await;
        upload_reaches_the_node(app, s01, dir).await;
    }
    node.stop().await;
    server.stop().await;
}
