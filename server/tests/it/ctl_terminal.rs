//! `server ctl` on a terminal: colours, bars that are drawn over, questions, and secrets that are not shown.

use std::{
    fs::{File, OpenOptions},
    io::{Read as _, Write as _},
    os::fd::OwnedFd,
};

use pixelfox_proto::v1::{CreateApiKeyRequest, ListApiKeysRequest, file_result::Outcome};
use rustix::{
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{Winsize, tcsetwinsize},
};
use tokio::{
    process::{Child, Command},
    task::JoinHandle,
    time::timeout,
};

use crate::{
    harness::PATIENCE,
    office::{FakeNode, Office, TOKEN, admins},
    programs::program,
};

/// A terminal of 100 columns with `server ctl` on it.
struct Terminal {
    keys: File,
    child: Child,
    screen: JoinHandle<String>,
}

impl Terminal {
    /// What is in `typed` is typed when the screen has said `after`.
    fn start(
        url: &str,
        words: &[&str],
        environment: &[(&str, &str)],
        (after, typed): (&'static str, &'static str),
    ) -> Self {
        let master: OwnedFd = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        tcsetwinsize(&master, Winsize { ws_row: 25, ws_col: 100, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
        let slave = || OpenOptions::new().read(true).write(true).open(&name).unwrap();
        let mut command = Command::new(program("server"));
        command.arg("ctl").args(words).env_clear().env("ADMIN_URL", url).env("ADMIN_TOKEN", TOKEN);
        command.envs(environment.iter().copied()).kill_on_drop(true);
        command.stdin(slave()).stdout(slave()).stderr(slave());
        let child = command.spawn().unwrap();
        drop(command); // with its ends of the terminal, so that the child's are the last
        let keys = File::from(master);
        let mut hand = keys.try_clone().unwrap();
        let screen = tokio::task::spawn_blocking(move || read(&mut hand, after, typed));
        Self { keys, child, screen }
    }

    /// Its exit code, and all that was on the screen.
    async fn end(mut self) -> (Option<i32>, String) {
        let status = timeout(PATIENCE, self.child.wait()).await.expect("does not end").unwrap();
        let screen = timeout(PATIENCE, self.screen).await.expect("the screen stays open").unwrap();
        drop(self.keys);
        (status.code(), screen)
    }
}

/// Reads until nobody has the other end any more.
fn read(terminal: &mut File, after: &str, typed: &str) -> String {
    let (mut seen, mut piece, mut typed) = (Vec::new(), [0; 4096], Some(typed).filter(|typed| !typed.is_empty()));
    while let Ok(length @ 1..) = terminal.read(&mut piece) {
        seen.extend_from_slice(&piece[..length]);
        if String::from_utf8_lossy(&seen).contains(after)
            && let Some(typed) = typed.take()
        {
            terminal.write_all(typed.as_bytes()).unwrap();
        }
    }
    String::from_utf8_lossy(&seen).into_owned()
}

const NOTHING: (&str, &str) = ("", "");

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_diagnosis_is_in_colours_where_they_are_wanted() {
    let office = Office::open().await;
    let _s01 = FakeNode::attach(&office, "s01").await;
    let (_, screen) = Terminal::start(office.url(), &["diagnose"], &[], NOTHING).end().await;
    assert!(screen.contains("\u{1b}[32mOK     \u{1b}[0m  node s01"), "{screen}");
    let (_, plain) = Terminal::start(office.url(), &["diagnose"], &[("NO_COLOR", "1")], NOTHING).end().await;
    assert!(plain.contains("OK       node s01") && !plain.contains('\u{1b}'), "{plain}");
    office.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_can_not_be_undone_is_asked_and_done_only_by_a_yes() {
    // No, just Enter, the end of the input: nothing is done. Then yes.
    let office = Office::open().await;
    let mut admin = office.admin().await;
    admin.create_api_key(admins(CreateApiKeyRequest { name: "Blog".into() })).await.unwrap();
    for (typed, code, left) in [("n\n", 1, 1), ("\n", 1, 1), ("\u{4}", 1, 1), ("y\n", 0, 0)] {
        let (ended, screen) =
            Terminal::start(office.url(), &["keys", "revoke", "1"], &[], ("[y/N]", typed)).end().await;
        assert!(ended == Some(code) && screen.contains("Revoke API key 1?"), "{typed:?}: {ended:?} {screen}");
        assert_eq!(screen.contains("nothing was done"), code == 1, "{screen}");
        let keys = admin.list_api_keys(admins(ListApiKeysRequest {})).await.unwrap().into_inner().keys;
        assert_eq!(keys.len(), left, "{typed:?}");
    }
    office.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_that_is_typed_is_not_shown() {
    let office = Office::open().await;
    let words = ["sessions", "sign-in", "admin"];
    let (code, screen) = Terminal::start(office.url(), &words, &[], ("password: ", "what nobody sees\n")).end().await;
    assert!(code == Some(3) && screen.contains("refused: invalid name or password"), "{code:?} {screen}");
    assert!(!screen.contains("nobody sees"), "{screen}");
    office.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_followed_move_is_a_bar_that_is_drawn_over_to_its_end() {
    let office = Office::open().await;
    let mut s01 = FakeNode::attach(&office, "s01").await;
    let _s02 = FakeNode::attach(&office, "s02").await;
    let upload = office.upload(&s01, 1).await;
    let following = Terminal::start(office.url(), &["move", "img1", "--to", "img2", "--watch"], &[], NOTHING);
    let (id, _) = s01.push().await;
    s01.end(id, vec![upload.result(Outcome::Done)]).await;
    let (id, _) = s01.delete().await;
    s01.end(id, vec![upload.result(Outcome::Done)]).await;
    let (code, screen) = following.end().await;
    assert_eq!(code, Some(0), "{screen}");
    let drawn: Vec<&str> = screen.split("\u{1b}[J").collect();
    assert!(drawn.len() > 1, "drawn once: {screen}");
    let last = drawn.last().unwrap().lines().next().unwrap();
    assert!(last.starts_with(&format!("job 1      [{}] completed  100 %", "#".repeat(30))), "{screen}");
    office.close().await;
}
