//! `server backup` and `server restore`: the database saved while it is in use and brought back, and what they say
//! where they can't.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use pixelfox_server::{
    catalog::{PoolDraft, UnixMillis},
    store::Store,
};
use sqlx::{ConnectOptions as _, sqlite::SqliteConnectOptions};
use tempfile::TempDir;

use crate::{
    harness::{PATIENCE, http_client, png},
    postgres,
    processes::{run, stderr, upload},
    programs::{Running, TOKEN_SECRET, environment, free_ports, program},
};

/// Runs `server` with these arguments on the database of `url`: its exit code, and what it printed.
pub(crate) async fn server(arguments: &[&str], url: &str) -> (Option<i32>, String, String) {
    let path = std::env::var_os("PATH").unwrap().into_string().unwrap();
    let output = run("server", arguments, &[("DATABASE_URL", url), ("PATH", &path)]).await;
    (output.status.code(), String::from_utf8_lossy(&output.stdout).trim().to_owned(), stderr(&output))
}

/// Waits until the server takes uploads.
pub(crate) async fn ready(address: &str) {
    let waiting = async {
        loop {
            let answer = http_client().get(format!("http://{address}/readyz")).send().await;
            if answer.is_ok_and(|answer| answer.status() == 200) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.expect("never ready");
}

/// An upload token for pool 1.
pub(crate) fn token(user_id: u64) -> String {
    let exp = pixelfox_node::clock::unix_seconds() + 600;
    let via = Some(pixelfox_proto::Via::App); // not counted once more
    let claims =
        pixelfox_proto::Claims { user_id, pool_id: 1, max_bytes: 1 << 20, exp, via, visitor: None, settings: None };
    claims.mint(TOKEN_SECRET.as_bytes())
}

/// UUIDs of the images that a file of books has.
async fn images_in(path: &str) -> Vec<String> {
    let mut conn = SqliteConnectOptions::new().filename(path).read_only(true).connect().await.unwrap();
    sqlx::query_scalar("SELECT uuid FROM images").fetch_all(&mut conn).await.unwrap()
}

pub(crate) fn names_in(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_of_a_running_server_has_all_that_was_acknowledged_before_it() {
    // Pictures come in all the time. Whatever had its answer when the backup began is in it, and each copy is whole.
    let folder = TempDir::new().unwrap();
    let [port] = free_ports();
    let variables = environment("local", port, port, folder.path());
    let running = Running::start("server", &[], &variables, folder.path());
    ready(&format!("127.0.0.1:{port}")).await;
    let (address, stop, taken) = (format!("127.0.0.1:{port}"), Arc::new(AtomicBool::new(false)), Arc::default());
    let mut uploads = tokio::task::JoinSet::new();
    for user in 1..=4 {
        let (address, stop, taken): (_, _, Arc<Mutex<Vec<String>>>) =
            (address.clone(), Arc::clone(&stop), Arc::clone(&taken));
        uploads.spawn(async move {
            let mut number = 0;
            while !stop.load(Ordering::Relaxed) {
                number += 1;
                let answer = upload(&address, &token(user), png(number, 500)).await;
                taken.lock().push(answer["image_uuid"].as_str().unwrap().to_owned());
            }
        });
    }
    let copies = folder.path().join("copies");
    fs::create_dir(&copies).unwrap();
    for round in 1..=3 {
        while taken.lock().len() < round * 20 {
            tokio::select! {
                Some(ended) = uploads.join_next() => ended.unwrap(),
                () = tokio::time::sleep(Duration::from_millis(5)) => {}
            }
        }
        let before = taken.lock().clone();
        let copy = copies.join(format!("{round}.db"));
        let (code, path, said) = server(&["backup", copy.to_str().unwrap()], &variables["DATABASE_URL"]).await;
        assert_eq!((code, path.as_str()), (Some(0), copy.to_str().unwrap()), "{said}");
        let saved = images_in(&path).await;
        assert!(before.iter().all(|uuid| saved.contains(uuid)), "round {round}: an acknowledged image is missing");
        assert!(said.contains(&format!("the books of {} images in 1 pools", saved.len())), "{said}");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
    stop.store(true, Ordering::Relaxed);
    while let Some(ended) = uploads.join_next().await {
        ended.unwrap();
    }
    assert_eq!(names_in(&copies), ["1.db", "2.db", "3.db"], "no log and no unfinished file lies beside");
    // A folder: named after the time.
    let (code, path, said) = server(&["backup", copies.to_str().unwrap()], &variables["DATABASE_URL"]).await;
    assert_eq!(code, Some(0), "{said}");
    assert!(path.starts_with(&format!("{}/pixelfox-2", copies.display())) && path.ends_with("Z.db"), "{path}");
    running.stop().await;
}

#[tokio::test]
async fn a_backup_that_can_not_be_made_names_thing_and_cure_and_leaves_nothing() {
    let folder = TempDir::new().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let url = |name: &str| format!("sqlite://{}", at(name));
    Store::open(&url("books.db")).await.unwrap().close().await;
    Store::open(&url("newer.db")).await.unwrap().close().await;
    let newer = SqliteConnectOptions::new().filename(at("newer.db"));
    let row = "INSERT INTO _sqlx_migrations VALUES (9000, 'later', '2030-01-01', 1, x'00', 0)";
    sqlx::query(row).execute(&mut newer.connect().await.unwrap()).await.unwrap();
    fs::write(at("text.db"), "these are no books, whatever their name says".repeat(200)).unwrap();
    fs::write(at("empty.db"), "").unwrap();
    fs::write(at("there.db"), "kept").unwrap();
    let before = names_in(folder.path());
    for (database, to, want) in [
        ("books.db", "there.db", "there.db is there already and is not replaced: name another file"),
        ("books.db", "books.db", "books.db is there already and is not replaced"),
        ("books.db", "typo/copy.db", "typo: make it first"),
        ("books.db", "typo/", "typo/: make it first"),
        ("missing.db", "copy.db", "missing.db: there is no such file"),
        ("newer.db", "copy.db", "it has migration 9000, this program knows up to"),
        ("text.db", "copy.db", "file is not a database"),
        ("empty.db", "copy.db", "was a server ever started on it?"),
    ] {
        let (code, printed, said) = server(&["backup", &at(to)], &url(database)).await;
        assert_eq!((code, printed.as_str()), (Some(1), ""), "{database} → {to}: {said}");
        assert!(said.contains(want) && said.trim().lines().count() == 1, "{database} → {to}: {said}");
    }
    let made = names_in(folder.path()).into_iter().filter(|name| !before.contains(name)).collect::<Vec<_>>();
    assert!(made.iter().all(|name| name.ends_with("-wal") || name.ends_with("-shm")), "{made:?} was left");
    assert_eq!(fs::read_to_string(at("there.db")).unwrap(), "kept");
    let (code, _, said) = server(&["backup"], &url("books.db")).await;
    assert!(code == Some(2) && said.contains("TO"), "{said}");
    let (code, _, said) = server(&["backup", "/dev/full"], &url("books.db")).await;
    assert!(code == Some(1) && said.contains("not replaced"), "{said}");
}

/// `server backup` as a shell runs it after `before`: its exit code, and what it said on stderr.
async fn after(before: &str, to: &Path, url: &str) -> (Option<i32>, String) {
    let mut shell = tokio::process::Command::new("sh");
    shell.args(["-c", &format!("{before}; exec \"$0\" backup \"$1\"")]).arg(program("server")).arg(to);
    let output = shell.env("DATABASE_URL", url).kill_on_drop(true).output();
    let output = tokio::time::timeout(PATIENCE, output).await.unwrap().unwrap();
    (output.status.code(), stderr(&output))
}

#[tokio::test]
async fn a_backup_whose_disk_takes_no_more_leaves_nothing_and_says_so_in_one_line() {
    // No file may be larger than 50 KiB: that is found in the middle of the copy. Then, where this process may mount, a
    // disk of that size. Afterwards there is room, and the same command saves.
    let folder = TempDir::new().unwrap();
    let url = format!("sqlite://{}", folder.path().join("books.db").display());
    Store::open(&url).await.unwrap().close().await;
    let copies = folder.path().join("copies");
    fs::create_dir(&copies).unwrap();
    let to = copies.join("copy.db");
    let (code, said) = after("trap '' XFSZ; ulimit -f 100", &to, &url).await;
    assert!(code == Some(1) && said.trim().lines().count() == 1, "{code:?}: {said}");
    assert!(said.starts_with("could not write the copy ") && said.contains("name a file on another one"), "{said}");
    assert_eq!(names_in(&copies), [""; 0], "{said}");
    let at = copies.display().to_string();
    let mount = tokio::process::Command::new("mount").args(["-t", "tmpfs", "-o", "size=52k", "tmpfs", &at]).output();
    if mount.await.is_ok_and(|mounted| mounted.status.success()) {
        let (code, said) = after(":", &to, &url).await;
        let left = names_in(&copies);
        assert!(tokio::process::Command::new("umount").arg(&at).output().await.unwrap().status.success());
        assert!(code == Some(1) && said.trim().lines().count() == 1, "{code:?}: {said}");
        assert!(said.contains("the disk is full: make room, or name a file on another one"), "{said}");
        assert_eq!(left, [""; 0], "{said}");
    } else {
        eprintln!("no disk of a size of its own: this process may not mount");
    }
    let (code, said) = after(":", &to, &url).await;
    assert_eq!((code, names_in(&copies)), (Some(0), vec!["copy.db".to_owned()]), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_postgresql_is_saved_by_its_own_program() {
    let url = postgres::database().await;
    let folder = TempDir::new().unwrap();
    let to = folder.path().display().to_string();
    let (code, _, said) = server(&["backup", &to], &url).await;
    assert!(code == Some(1) && said.contains("was a server ever started on it?"), "{said}");
    Store::open(&url).await.unwrap().close().await;
    let (code, path, said) = server(&["backup", &to], &url).await;
    assert_eq!(code, Some(0), "{said}");
    assert!(path.ends_with("Z.dump") && fs::read(&path).unwrap().starts_with(b"PGDMP"), "{path}");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);

    // Without the program: what to install. With one that fails in the middle: nothing is left.
    let other = folder.path().join("other.dump").display().to_string();
    let none = folder.path().join("no-programs");
    fs::create_dir(&none).unwrap();
    let with_programs = async |url: &str| {
        let output =
            run("server", &["backup", &other], &[("DATABASE_URL", url), ("PATH", none.to_str().unwrap())]).await;
        assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
        stderr(&output)
    };
    let said = with_programs(&url).await;
    assert!(said.contains("pg_dump is not there") && said.contains("apt-get install postgresql-client"), "{said}");
    // It writes down what a process list would show of it, and what it was given beside.
    let script = "#!/bin/sh\necho \"$0 $@\" > ARGS; echo \"$PGPASSWORD\" > GIVEN; echo 'disk full' >&2; exit 1\n";
    let script = script.replace("ARGS", &format!("{to}/args")).replace("GIVEN", &format!("{to}/given"));
    fs::write(none.join("pg_dump"), script).unwrap();
    fs::set_permissions(none.join("pg_dump"), fs::Permissions::from_mode(0o755)).unwrap();
    let said = with_programs(&url.replace("pixelfox@", "pixelfox:hidden-word@")).await;
    assert!(said.contains("pg_dump failed") && said.contains("disk full") && !said.contains("hidden-word"), "{said}");
    let noted = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
    assert!(!noted("args").contains("hidden-word"), "{}", noted("args"));
    assert_eq!(noted("given").trim(), "hidden-word");
    let dump = Path::new(&path).file_name().unwrap().to_str().unwrap();
    assert_eq!(names_in(folder.path()), ["args", "given", "no-programs", dump]);
}

async fn links_of(address: &str, answer: &serde_json::Value) -> (u16, Vec<u8>, u16) {
    let path = answer["url"].as_str().unwrap().split("/uploads/").nth(1).unwrap();
    let file = http_client().get(format!("http://{address}/uploads/{path}")).send().await.unwrap();
    let (status, bytes) = (file.status().as_u16(), file.bytes().await.unwrap().to_vec());
    let page = format!("http://{address}{}", answer["view_url"].as_str().unwrap());
    (status, bytes, http_client().get(page).send().await.unwrap().status().as_u16())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_copy_is_the_database_again_and_the_one_that_was_there_is_kept() {
    // One picture before the copy, one after it. The restore is refused while the server runs; then the first picture
    // has its links, the second one's file is there without them, and the old database still knows both.
    let folder = TempDir::new().unwrap();
    let [port] = free_ports();
    let variables = environment("local", port, port, folder.path());
    let (address, url) = (format!("127.0.0.1:{port}"), &variables["DATABASE_URL"]);
    let running = Running::start("server", &[], &variables, folder.path());
    ready(&address).await;
    let early = upload(&address, &token(7), png(1, 500)).await;
    let copy = folder.path().join("copy.db").display().to_string();
    let (code, _, said) = server(&["backup", &copy], url).await;
    assert_eq!(code, Some(0), "{said}");
    let late = upload(&address, &token(7), png(2, 500)).await;
    let (code, _, said) = server(&["restore", &copy], url).await;
    assert!(code == Some(1) && said.contains("a server has the database open") && said.contains("stop it"), "{said}");
    running.kill().await; // its log lies beside the database
    let (code, printed, said) = server(&["restore", &copy], url).await;
    assert_eq!(code, Some(0), "{said}");
    assert!(printed.contains("the books of 1 images in 1 pools"), "{printed}");
    let aside = names_in(folder.path()).into_iter().find(|name| name.contains("books.db.before-restore-")).unwrap();
    assert!(printed.contains(&aside), "{printed}");
    assert_eq!(images_in(&folder.path().join(&aside).display().to_string()).await.len(), 2, "nothing of it is lost");
    let lease = async |path: &str| {
        let mut conn = SqliteConnectOptions::new().filename(path).read_only(true).connect().await.unwrap();
        let value: i64 =
            sqlx::query_scalar("SELECT value FROM counters WHERE name = 'lease'").fetch_one(&mut conn).await.unwrap();
        value
    };
    let books = folder.path().join("books.db").display().to_string();
    assert!(lease(&books).await - lease(&copy).await > 1 << 30, "nodes take no attempt for one of before");

    let running = Running::start("server", &[], &variables, folder.path());
    ready(&address).await;
    assert_eq!(links_of(&address, &early).await, (200, png(1, 500), 200));
    let (status, bytes, page) = links_of(&address, &late).await;
    assert_eq!((status, bytes, page), (200, png(2, 500), 404), "the file is served, the books don't know it");
    upload(&address, &token(7), png(3, 500)).await;
    running.stop().await;
}

#[tokio::test]
async fn a_restore_that_can_not_be_made_names_thing_and_cure_and_changes_nothing() {
    let folder = TempDir::new().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let url = |name: &str| format!("sqlite://{}", at(name));
    for name in ["books.db", "copy.db", "newer.db", "open.db"] {
        Store::open(&url(name)).await.unwrap().close().await;
    }
    let open =
        async |name: &str| SqliteConnectOptions::new().filename(at(name)).create_if_missing(true).connect().await;
    let row = "INSERT INTO _sqlx_migrations VALUES (9000, 'later', '2030-01-01', 1, x'00', 0)";
    sqlx::query(row).execute(&mut open("newer.db").await.unwrap()).await.unwrap();
    sqlx::query("CREATE TABLE other (x)").execute(&mut open("other.db").await.unwrap()).await.unwrap();
    let whole = fs::read(at("copy.db")).unwrap();
    fs::write(at("short.db"), &whole[..whole.len() / 2]).unwrap();
    let mut torn = whole.clone();
    torn[3 * whole.len() / 4..].fill(0xee);
    fs::write(at("torn.db"), torn).unwrap();
    fs::write(at("text.db"), "these are no books").unwrap();
    fs::write(at("dump"), b"PGDMP and so on").unwrap();
    fs::write(at("open.db-wal"), b"a log").unwrap();
    let before = fs::read(at("books.db")).unwrap();
    for (from, want) in [
        ("missing.db", "missing.db is not there: name a copy that `server backup` made"),
        ("", "is a folder: name one of the copies in it"),
        ("text.db", "text.db is no copy that `server backup` made"),
        ("short.db", "short.db is no whole database"),
        ("torn.db", "torn.db is no whole database"),
        ("other.db", "it has no tables of ours"),
        ("newer.db", "newer.db is of a newer program (it has migration 9000"),
        ("books.db", "is the database itself"),
        ("open.db", "is no finished copy but a database in use"),
        ("dump", "is a copy of a PostgreSQL database, DATABASE_URL is a file"),
    ] {
        let (code, printed, said) = server(&["restore", &at(from)], &url("books.db")).await;
        assert_eq!((code, printed.as_str()), (Some(1), ""), "{from}: {said}");
        assert!(said.contains(want) && said.trim().lines().count() == 1, "{from}: {said}");
    }
    let (code, _, said) = server(&["restore", &at("copy.db")], "sqlite:///typo/books.db").await;
    assert!(code == Some(1) && said.contains("/typo/books.db"), "{said}");
    let left =
        names_in(folder.path()).into_iter().filter(|name| name.contains("before-restore") || name.contains("part"));
    assert_eq!(left.collect::<Vec<_>>(), Vec::<String>::new());
    assert!(fs::read(at("books.db")).unwrap() == before, "the database was changed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_postgresql_is_brought_back_into_an_empty_database_alone() {
    let (url, empty) = (postgres::database().await, postgres::database().await);
    let folder = TempDir::new().unwrap();
    let store = Store::open(&url).await.unwrap();
    let draft = PoolDraft::first(&"local".parse().unwrap(), "/srv/pool", "http://a:4000", "http://a:4000");
    let pool = store.first_pool(draft, UnixMillis(1)).await.unwrap().unwrap();
    store.close().await;
    let (_, path, _) = server(&["backup", folder.path().to_str().unwrap()], &url).await;
    let (code, _, said) = server(&["restore", &path], &url).await;
    assert!(code == Some(1) && said.contains("has tables already") && said.contains("createdb"), "{said}");
    let (code, printed, said) = server(&["restore", &path], &empty).await;
    assert_eq!(code, Some(0), "{said}");
    assert!(printed.contains("the books of 0 images in 1 pools"), "{printed}");
    let store = Store::open(&empty).await.unwrap();
    assert_eq!(store.list_pools().await.unwrap(), [pool]);
    assert!(store.last_lease().await.unwrap().0 > 1 << 30);
    store.close().await;
    // What is no dump, and one of another kind of database.
    let wrong = folder.path().join("wrong.dump").display().to_string();
    fs::write(&wrong, b"PGDMP and so on").unwrap();
    let (code, _, said) = server(&["restore", &wrong], &empty).await;
    assert!(code == Some(1) && said.contains("pg_restore failed"), "{said}");
    fs::write(&wrong, b"SQLite format 3\0 and so on").unwrap();
    let (code, _, said) = server(&["restore", &wrong], &empty).await;
    assert!(code == Some(1) && said.contains("is a copy of a SQLite database"), "{said}");
}
