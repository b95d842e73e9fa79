//! Accounts, sessions and the audit in the books.

use pixelfox_proto::Sha256;
use pixelfox_server::{
    catalog::{
        Account, AccountName, AccountRule, Actor, AuditEntry, AuditFilter, ChangeAsk, ChangeProgress, JobChange,
        NewSession, PageAsk, PasswordHash, PoolPatch, SaveRule, SettingsPatch, WhichJobs,
    },
    store::{Store, StoreError},
};

use crate::store_books::{Books, Home, ask, at, draft, pool, suite};

suite! {
    a_session_ends_with_its_time_by_sign_out_and_by_another_password,
    a_password_that_was_changed_meanwhile_begins_no_session,
    an_account_has_fifty_sessions_at_most_and_what_is_over_goes,
    the_first_account_is_made_once,
    each_change_has_a_row_of_who_made_it_what_was_and_what_is,
    what_did_not_happen_has_no_row,
    a_recount_that_corrects_the_books_has_a_row,
    the_audit_is_paged_and_filtered,
    the_oldest_rows_of_the_audit_go,
    a_command_beside_the_server_changes_what_it_sees,
}

fn name(text: &str) -> AccountName {
    text.parse().unwrap()
}

fn account(text: &str, password: &str) -> Account {
    Account { name: name(text), password: PasswordHash(password.into()) }
}

fn session(of: &Account, secret: &str, ends: i64) -> NewSession {
    NewSession {
        account: of.name.clone(),
        password: of.password.clone(),
        digest: Sha256::of(secret.as_bytes()),
        expires: at(ends),
        from: String::new(),
    }
}

async fn is_in(store: &Store, secret: &str, now: i64) -> bool {
    store.session(&Sha256::of(secret.as_bytes()), at(now)).await.unwrap().is_some()
}

async fn audit(store: &Store) -> Vec<AuditEntry> {
    store.list_audit(AuditFilter::default(), PageAsk::default()).await.unwrap().items
}

async fn a_session_ends_with_its_time_by_sign_out_and_by_another_password(books: Books) {
    // Four sessions of one account and one of another: each end ends the right ones, at once.
    let store = &books.store;
    let (anna, bert) = (account("anna", "a"), account("bert", "b"));
    store.set_password(anna.clone(), AccountRule::New, at(0)).await.unwrap();
    store.set_password(bert.clone(), AccountRule::New, at(0)).await.unwrap();
    for (of, secret, ends) in [(&anna, "1", 10), (&anna, "2", 100), (&anna, "3", 100), (&bert, "4", 100)] {
        let begun = store.begin_session(session(of, secret, ends), at(1)).await.unwrap().unwrap();
        assert_eq!((begun.account, begun.expires), (of.name.clone(), at(ends)));
    }
    assert!(is_in(store, "1", 9).await && !is_in(store, "1", 10).await, "its time");
    store.end_session(Sha256::of(b"2"), at(5)).await.unwrap();
    store.end_session(Sha256::of(b"never was"), at(5)).await.unwrap();
    assert!(!is_in(store, "2", 5).await && is_in(store, "3", 5).await, "sign-out ends one");
    store.set_password(account("anna", "new"), AccountRule::Existing, at(6)).await.unwrap();
    assert!(!is_in(store, "3", 6).await && is_in(store, "4", 6).await, "another password ends all of that account");
}

async fn a_password_that_was_changed_meanwhile_begins_no_session(books: Books) {
    // It was checked against the old hash, and only then another one was set.
    let store = &books.store;
    let old = account("anna", "old");
    store.set_password(old.clone(), AccountRule::New, at(0)).await.unwrap();
    store.set_password(account("anna", "new"), AccountRule::Existing, at(1)).await.unwrap();
    assert_eq!(store.begin_session(session(&old, "1", 100), at(2)).await.unwrap(), None);
    assert!(!is_in(store, "1", 2).await);
    assert_eq!(store.begin_session(session(&account("nobody", "x"), "2", 100), at(2)).await.unwrap(), None);
}

async fn an_account_has_fifty_sessions_at_most_and_what_is_over_goes(books: Books) {
    let store = &books.store;
    let anna = account("anna", "a");
    store.set_password(anna.clone(), AccountRule::New, at(0)).await.unwrap();
    for n in 0..60 {
        store.begin_session(session(&anna, &n.to_string(), 1000), at(n)).await.unwrap().unwrap();
    }
    let mut there = Vec::new();
    for n in 0..60 {
        if is_in(store, &n.to_string(), 60).await {
            there.push(n);
        }
    }
    assert_eq!(there, (10..60).collect::<Vec<_>>(), "the oldest are over");
}

async fn the_first_account_is_made_once(books: Books) {
    let store = &books.store;
    assert!(!store.has_accounts().await.unwrap());
    assert!(store.first_account(account("admin", "one"), at(0)).await.unwrap());
    assert!(!store.first_account(account("root", "two"), at(0)).await.unwrap());
    assert_eq!(store.account(&name("admin")).await.unwrap(), Some(account("admin", "one")));
    assert_eq!(store.account(&name("root")).await.unwrap(), None);
    let again = store.set_password(account("admin", "x"), AccountRule::New, at(0)).await.unwrap_err();
    let unknown = store.set_password(account("root", "x"), AccountRule::Existing, at(0)).await.unwrap_err();
    assert_eq!(again.to_string(), "there is an account admin already");
    assert_eq!(unknown.to_string(), "there is no account root; there are: admin");
}

async fn each_change_has_a_row_of_who_made_it_what_was_and_what_is(books: Books) {
    // The same handle of the books as one and as another: settings, pools, moves, jobs, the queue, images, passwords.
    books.uploaded(1..4).await;
    let before = audit(&books.store).await.first().map_or(0, |row| row.id);
    let anna = books.store.by(Actor::Account(name("anna")));
    let token = books.store.by(Actor::Token);
    let hours = SettingsPatch { trash_hours: Some(1), ..SettingsPatch::default() };
    anna.update_settings(hours, at(1)).await.unwrap();
    token.create_pool(draft("img2", "s02"), SaveRule::Checked, at(2)).await.unwrap();
    let priority = PoolPatch { priority: Some(3), ..PoolPatch::default() };
    anna.update_pool(pool(3), priority, 0, SaveRule::Checked, at(3)).await.unwrap();
    let default = PoolPatch { is_default: Some(true), ..PoolPatch::default() };
    anna.update_pool(pool(2), default, 0, SaveRule::Checked, at(4)).await.unwrap();
    anna.delete_pool(pool(3), at(5)).await.unwrap();
    let job = anna.plan_move_images(ask(1..3, 2), at(6)).await.unwrap().job.unwrap();
    let pause = ChangeAsk { change: JobChange::Pause, which: WhichJobs::Ids(vec![job]), request_id: String::new() };
    token.change_jobs(pause, ChangeProgress::default(), at(7)).await.unwrap();
    anna.pause_queue(at(8)).await.unwrap();
    books.store.set_password(account("anna", "a"), AccountRule::New, at(9)).await.unwrap();
    anna.begin_session(NewSession { from: "from ::1".into(), ..session(&account("anna", "a"), "1", 99) }, at(10))
        .await
        .unwrap();
    token.end_session(Sha256::of(b"1"), at(11)).await.unwrap();

    let rows: Vec<AuditEntry> = audit(&books.store).await.into_iter().filter(|row| row.id > before).rev().collect();
    let shown: Vec<_> = rows
        .iter()
        .map(|row| [&row.actor, &row.action, &row.subject, &row.was, &row.became].map(String::as_str))
        .collect();
    let created = &rows[1];
    assert!(created.became.contains(r#""node_id":"s02""#) && created.was.is_empty(), "{created:?}");
    let deleted = &rows[5];
    assert!(deleted.was.contains(r#""priority":3"#) && deleted.became.is_empty(), "{deleted:?}");
    let job = job.to_string();
    assert_eq!(
        shown,
        [
            [
                "anna",
                "update_settings",
                "settings",
                r#"{"revision":0,"trash_hours":24}"#,
                r#"{"revision":1,"trash_hours":1}"#
            ],
            ["token", "create_pool", "3", "", &created.became],
            ["anna", "update_pool", "3", r#"{"priority":10}"#, r#"{"priority":3}"#],
            ["anna", "update_pool", "1", r#"{"is_default":true}"#, r#"{"is_default":false}"#],
            ["anna", "update_pool", "2", r#"{"is_default":false}"#, r#"{"is_default":true}"#],
            ["anna", "delete_pool", "3", &deleted.was, ""],
            ["anna", "move_images", &job, "", ""],
            ["token", "pause_jobs", "jobs", "", ""],
            ["anna", "pause_queue", "queue", r#"{"paused":false}"#, r#"{"paused":true}"#],
            ["server", "create_account", "anna", "", ""],
            ["anna", "sign_in", "anna", "", ""],
            ["anna", "sign_out", "anna", "", ""],
        ],
        "{rows:#?}"
    );
    assert_eq!(rows.iter().map(|row| row.at).collect::<Vec<_>>(), [1, 2, 3, 4, 4, 5, 6, 7, 8, 9, 10, 11].map(at));
    assert_eq!((rows[1].detail.as_str(), rows[10].detail.as_str()), ("img2", "from ::1"));
}

async fn what_did_not_happen_has_no_row(books: Books) {
    // Refused, and the same again: neither is a change.
    let rows = audit(&books.store).await.len();
    let wrong = SettingsPatch { move_slots_per_node: Some(0), ..SettingsPatch::default() };
    books.store.update_settings(wrong, at(1)).await.unwrap_err();
    books
        .store
        .update_settings(SettingsPatch { trash_hours: Some(24), ..SettingsPatch::default() }, at(1))
        .await
        .unwrap();
    let same = PoolPatch { name: Some("img1".into()), ..PoolPatch::default() };
    books.store.update_pool(pool(2), same, 0, SaveRule::Checked, at(1)).await.unwrap();
    books.store.update_pool(pool(2), PoolPatch::default(), 7, SaveRule::Checked, at(1)).await.unwrap_err();
    assert_eq!(audit(&books.store).await.len(), rows);
}

async fn a_recount_that_corrects_the_books_has_a_row(books: Books) {
    // Off by a known amount, counted twice: one row, for the pool that was off.
    let rows = audit(&books.store).await.len();
    books.home.execute("UPDATE pools SET used_bytes = used_bytes + 7 WHERE id = 2").await;
    let token = books.store.by(Actor::Token);
    token.recount_usage(at(1)).await.unwrap();
    token.recount_usage(at(2)).await.unwrap();
    let found = audit(&books.store).await;
    assert_eq!(found.len(), rows + 1);
    let row = &found[0];
    assert_eq!((row.actor.as_str(), row.action.as_str(), row.subject.as_str()), ("token", "recalculate_usage", "2"));
    assert_eq!((row.was.as_str(), row.became.as_str()), (r#"{"used_bytes":7}"#, r#"{"used_bytes":0}"#));
}

async fn the_oldest_rows_of_the_audit_go(books: Books) {
    // As if there had been 300,000 rows: with the next one everything beyond the newest 200,000 is gone.
    let change = async |hours| {
        let hours = SettingsPatch { trash_hours: Some(hours), ..SettingsPatch::default() };
        books.store.by(Actor::Token).update_settings(hours, at(1)).await.unwrap();
    };
    change(101).await;
    let first = audit(&books.store).await[0].id;
    let far = match &books.home {
        Home::Sqlite(_) => "INSERT INTO audit (id, at, action, subject, detail) VALUES (299999, 1, 'x', 'x', 'x')",
        Home::Postgres(_) => "ALTER TABLE audit ALTER COLUMN id RESTART WITH 300000",
    };
    books.home.execute(far).await;
    change(102).await;
    let rows = audit(&books.store).await;
    assert!(rows[0].id >= 300_000 && first < 100_000, "{rows:?}");
    assert!(rows.iter().all(|row| row.id > 100_000), "{rows:?}");
    let long = "ä".repeat(5000);
    books.store.note_failed_sign_in(None, long, at(1)).await.unwrap();
    assert_eq!(audit(&books.store).await[0].detail.chars().count(), 1001, "a thousand and the sign that it goes on");
}

async fn the_audit_is_paged_and_filtered(books: Books) {
    // Hundred changes by two: pages have each row once, newest first; a token is its filter's alone.
    for n in 0..100 {
        let actor = if n % 2 == 0 { Actor::Token } else { Actor::Account(name("anna")) };
        let hours = SettingsPatch { trash_hours: Some(100 + n), ..SettingsPatch::default() };
        books.store.by(actor).update_settings(hours, at(100 + i64::from(n))).await.unwrap();
    }
    let filter = AuditFilter { actor: "anna".into(), action: "update_settings".into(), ..AuditFilter::default() };
    let (mut token, mut times) = (String::new(), Vec::new());
    loop {
        let page = books.store.list_audit(filter.clone(), PageAsk { size: 7, token }).await.unwrap();
        assert!(page.items.iter().all(|row| row.actor == "anna"));
        times.extend(page.items.iter().map(|row| row.at));
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
        let other = AuditFilter { actor: "token".into(), ..filter.clone() };
        let strange = books.store.list_audit(other, PageAsk { size: 7, token: token.clone() }).await;
        assert!(matches!(strange, Err(StoreError::Refused(_))), "{strange:?}");
    }
    assert_eq!(times, (0..50).rev().map(|n| at(101 + 2 * n)).collect::<Vec<_>>());
    let between = AuditFilter { from: Some(at(110)), until: Some(at(120)), ..AuditFilter::default() };
    let found = books.store.list_audit(between, PageAsk::default()).await.unwrap().items;
    assert_eq!(found.iter().map(|row| row.at).collect::<Vec<_>>(), (110..120).rev().map(at).collect::<Vec<_>>());
    let subject = AuditFilter { subject: "2".into(), ..AuditFilter::default() };
    let found = books.store.list_audit(subject, PageAsk::default()).await.unwrap().items;
    assert_eq!(found.iter().map(|row| row.action.as_str()).collect::<Vec<_>>(), ["create_pool"]);
}

async fn a_command_beside_the_server_changes_what_it_sees(books: Books) {
    // The server has the books open and writes all the while; its next look sees the other's word.
    let anna = account("anna", "old");
    books.store.set_password(anna.clone(), AccountRule::New, at(0)).await.unwrap();
    books.store.begin_session(session(&anna, "1", 100), at(1)).await.unwrap().unwrap();
    let beside = Store::open_beside(&books.home.url()).await.unwrap();
    let change = beside.by(Actor::Console);
    let new = account("anna", "new");
    let (changed, _) =
        tokio::join!(change.set_password(new.clone(), AccountRule::Existing, at(2)), books.uploaded(1..50));
    changed.unwrap();
    beside.close().await;
    assert!(!is_in(&books.store, "1", 2).await);
    assert_eq!(books.store.account(&name("anna")).await.unwrap(), Some(new));
    let row = audit(&books.store).await.remove(0);
    assert_eq!((row.actor.as_str(), row.action.as_str(), row.subject.as_str()), ("console", "set_password", "anna"));
    assert_eq!(row.detail, "1 sessions ended");
}

#[tokio::test]
async fn a_command_beside_the_server_makes_nothing_and_migrates_nothing() {
    // No file; a file without tables; one of a newer program: each is said, and left as it was.
    let dir = tempfile::tempdir().unwrap();
    let url = |file: &str| format!("sqlite://{}/{file}", dir.path().display());
    let none = Store::open_beside(&url("none.db")).await.unwrap_err();
    assert!(matches!(&none, StoreError::Place { .. }), "{none}");
    assert!(!dir.path().join("none.db").try_exists().unwrap());

    std::fs::write(dir.path().join("empty.db"), "").unwrap();
    let empty = Store::open_beside(&url("empty.db")).await.unwrap_err();
    assert!(empty.to_string().contains("start the server of this version on it once"), "{empty}");

    let books = Books::sqlite().await;
    books
        .home
        .execute(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
        VALUES (9999, 'later', 1, x'00', 0)",
        )
        .await;
    let newer = Store::open_beside(&books.home.url()).await.unwrap_err();
    assert!(matches!(newer, StoreError::Newer { found: 9999, .. }), "{newer}");
}
