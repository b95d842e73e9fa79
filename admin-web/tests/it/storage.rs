//! Pools: the table, the form, what is done to one, and Move to Pool.

use std::sync::Arc;

use http::{StatusCode, header};
use parking_lot::Mutex;
use pixelfox_proto::v1::{self, finding};
use prost::Message as _;
use tonic::{Code, Status};

use crate::{
    fake::Fake,
    reader::{follow, get, pages, post},
};

pub(crate) fn pool(id: u64) -> v1::Pool {
    v1::Pool {
        id,
        name: format!("img{id}"),
        node_id: format!("s0{id}"),
        base_path: format!("/app/uploads_s0{id}"),
        upload_api_url: format!("http://app_s0{id}:4000/api/internal/upload"),
        public_base_url: format!("http://s0{id}.local:8082"),
        is_active: true,
        online: true,
        healthy: true,
        used_size: 12_400_000_000,
        max_size: 100_000_000_000,
        files: 1234,
        images: 617,
        revision: 7,
        storage_tier: "warm".into(),
        ..v1::Pool::default()
    }
}

pub(crate) fn cluster(pools: Vec<v1::Pool>) -> Fake {
    let fake = Fake::empty_cluster();
    let (all, one) = (pools.clone(), pools);
    fake.on("list_pools", move |_: v1::ListPoolsRequest| Ok(v1::ListPoolsResponse { pools: all.clone() }));
    fake.on("get_pool", move |asked: v1::GetPoolRequest| {
        let found = one.iter().find(|pool| pool.id == asked.id).cloned();
        found.ok_or_else(|| Status::not_found(format!("no pool {}", asked.id)))
    });
    fake.on("list_jobs", |_: v1::ListJobsRequest| Ok(v1::ListJobsResponse::default()));
    fake
}

/// Keeps what a method was asked.
pub(crate) fn asked<Q: Clone + Send + 'static, A: Send + 'static>(
    fake: &Fake,
    method: &'static str,
    answer: impl Fn() -> Result<A, Status> + Send + Sync + 'static,
) -> Arc<Mutex<Vec<Q>>> {
    let all = Arc::new(Mutex::new(Vec::new()));
    let kept = all.clone();
    fake.on(method, move |request: Q| {
        kept.lock().push(request);
        answer()
    });
    all
}

const TYPED: &str = "name=img9&node_id=s09&base_path=%2Fapp%2Fu&upload_api_url=http%3A%2F%2Fa%3A4000%2Fx&\
                     public_base_url=http%3A%2F%2Fs09%2Fuploads&storage_type=local&storage_tier=cold&priority=5&\
                     max_size=1%2C5+TB&description=&is_active=1&revision=7";

#[tokio::test]
async fn the_table_says_how_each_pool_is_and_never_a_secret() {
    // One of each state; markup in a name is text; the curl command has the pool's values and the secret's variable.
    let rows = vec![
        v1::Pool { is_default: true, trash_size: 1_000_000, unowned_size: 2_000_000, ..pool(1) },
        v1::Pool { healthy: false, problem: "read-only".into(), ..pool(2) },
        v1::Pool { online: false, healthy: false, problem: "node s03 is not attached".into(), ..pool(3) },
        v1::Pool { is_active: false, name: "<b>&".into(), ..pool(4) },
    ];
    let page = get(&pages(&cluster(rows)), "/admin/storage", &[]).await;
    for part in [
        "Gesund",
        "Standard",
        "Fehler",
        "Read-only",
        "Offline",
        "Knoten s03 ist nicht verbunden",
        "Inaktiv",
        "&#60;b&#62;&#38;",
        "ID 2 · s02",
        "Papierkorb: ",
        "Nicht zugeordnet: ",
        "1.234",
        "Zustand prüfen",
        "Belegung neu berechnen",
        "Bearbeiten",
        "Move to Pool",
        "Löschen",
        "12,4\u{a0}GB von 100\u{a0}GB",
        "12\u{a0}%",
        "$REPLICATION_SECRET",
        "pool_id=2",
        "sha256=",
        "http://app_s02:4000/api/internal/replicate",
        "API nicht geprüft",
    ] {
        assert!(page.html.contains(part), "{part}");
    }
}

#[tokio::test]
async fn fifty_pools_are_one_page_of_bearable_size() {
    let pages = pages(&cluster((1..=50).map(pool).collect()));
    let page = get(&pages, "/admin/storage", &[("accept-encoding", "gzip")]).await;
    assert!(page.size < 60_000, "{} bytes", page.size);
}

/// A refusal as the service sends it.
fn refusal(found: &[(&str, finding::Status, &str)]) -> Status {
    let finding = |(field, status, message): &(&str, finding::Status, &str)| v1::Finding {
        field: (*field).into(),
        status: (*status).into(),
        message: (*message).into(),
        ..v1::Finding::default()
    };
    let list = v1::PoolFindings { findings: found.iter().map(finding).collect() };
    let type_url = "type.googleapis.com/pixelfox.v1.PoolFindings".to_owned();
    // `google.rpc.Status` with nothing but its details.
    let any = prost_types::Any { type_url, value: list.encode_to_vec() }.encode_to_vec();
    let mut details = vec![0x1a];
    prost::encode_length_delimiter(any.len(), &mut details).unwrap();
    details.extend(any);
    Status::with_details(Code::InvalidArgument, "refused", details.into())
}

#[tokio::test]
async fn a_form_that_is_refused_keeps_what_was_typed_and_marks_each_field() {
    // An error and a doubt: nothing can be saved over. Then the doubt alone: it can, and the second try says so.
    let fake = cluster(vec![pool(1)]);
    fake.on("create_pool", |_: v1::CreatePoolRequest| {
        Err::<v1::Pool, _>(refusal(&[
            ("public_base_url", finding::Status::Failed, "leave out <uploads>"),
            ("upload_api_url", finding::Status::Warning, "nobody answers"),
        ]))
    });
    let pages = pages(&fake);
    let page = post(&pages, "/admin/storage", TYPED).await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    for part in [
        "value=\"img9\"",
        "value=\"1,5 TB\"",
        "value=\"http://s09/uploads\"",
        "Leave out &#60;uploads&#62;.",
        "Nobody answers.",
    ] {
        assert!(page.html.contains(part), "{part}: {}", page.html);
    }
    assert_eq!(page.html.matches("aria-invalid=\"true\"").count(), 2);
    assert!(!page.html.contains("Trotzdem speichern"));

    fake.on("create_pool", |asked: v1::CreatePoolRequest| {
        let doubt = refusal(&[("upload_api_url", finding::Status::Warning, "nobody answers")]);
        if asked.save_anyway { Ok(pool(9)) } else { Err(doubt) }
    });
    let page = post(&pages, "/admin/storage", TYPED).await;
    assert!(page.html.contains("name=\"save_anyway\""), "{}", page.html);
    let saved = post(&pages, "/admin/storage", &format!("{TYPED}&save_anyway=1")).await;
    assert_eq!(saved.header(header::LOCATION), "/admin/storage#pool-9");
}

#[tokio::test]
async fn a_form_is_checked_without_being_saved() {
    // Nothing of create_pool is answered by this fake: the button asks for the findings alone, and what was typed stays.
    let fake = cluster(Vec::new());
    fake.on("check_pool_draft", |_: v1::CheckPoolDraftRequest| {
        let (field, message) = ("upload_api_url".to_owned(), "nobody answers".to_owned());
        let doubt = v1::Finding { field, message, status: finding::Status::Warning.into(), ..v1::Finding::default() };
        Ok(v1::PoolFindings { findings: vec![doubt] })
    });
    let page = post(&pages(&fake), "/admin/storage", &format!("{TYPED}&check=1")).await;
    assert_eq!(page.status, 200);
    for want in ["Nobody answers.", "Geprüft: es gibt Hinweise", "name=\"save_anyway\"", "name=\"check\""] {
        assert!(page.html.contains(want), "{want}\n{}", page.html);
    }
    fake.on("check_pool_draft", |_: v1::CheckPoolDraftRequest| Ok(v1::PoolFindings::default()));
    let page = post(&pages(&fake), "/admin/storage", &format!("{TYPED}&check=1")).await;
    assert!(page.html.contains("so lässt sich der Speicherpool speichern") && !page.html.contains("save_anyway"));
}

#[tokio::test]
async fn a_pool_is_saved_as_it_was_typed_and_a_number_that_is_none_is_not_sent() {
    let fake = cluster(vec![pool(1)]);
    let saves = asked::<v1::UpdatePoolRequest, v1::Pool>(&fake, "update_pool", || Ok(pool(1)));
    let pages = pages(&fake);
    let page =
        post(&pages, "/admin/storage/1", &TYPED.replace("1%2C5+TB", "much").replace("priority=5", "priority=x")).await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    assert!(page.html.contains("value=\"much\"") && page.html.contains("Das ist keine Größe."), "{}", page.html);
    assert!(page.html.contains("Das ist keine ganze Zahl.") && saves.lock().is_empty());
    // What half of the readers would take for another number, and nothing at all, are none either.
    for (typed, instead, said) in
        [("1%2C5+TB", "1.500+GB", "Das ist keine Größe."), ("priority=5", "priority=", "Das ist keine ganze Zahl.")]
    {
        let page = post(&pages, "/admin/storage/1", &TYPED.replace(typed, instead)).await;
        assert!(page.html.contains(said) && saves.lock().is_empty(), "{instead}: {}", page.html);
    }
    let saved = post(&pages, "/admin/storage/1", TYPED).await;
    assert_eq!(saved.header(header::LOCATION), "/admin/storage#pool-1");
    let save = saves.lock().pop().unwrap();
    let sent = save.pool.unwrap();
    assert_eq!((save.expected_revision, sent.max_size, sent.priority), (7, 1_500_000_000_000, 5));
    assert!(sent.is_active && !sent.is_default, "{sent:?}");
}

#[tokio::test]
async fn the_second_of_two_editors_sees_what_the_first_has_changed() {
    // The form was opened at revision 5; the pool is at 7 now.
    let fake = cluster(vec![pool(1)]);
    fake.on("update_pool", |_: v1::UpdatePoolRequest| {
        Err::<v1::Pool, _>(Status::failed_precondition("pool 1 has changed"))
    });
    let page = post(&pages(&fake), "/admin/storage/1", &TYPED.replace("revision=7", "revision=5")).await;
    assert_eq!(page.status, StatusCode::PRECONDITION_FAILED);
    for part in [
        "Jemand hat diesen Pool inzwischen geändert",
        "Jetzt gespeichert: img1",
        "name=\"revision\" value=\"7\"",
        "value=\"img9\"",
    ] {
        assert!(page.html.contains(part), "{part}: {}", page.html);
    }
    assert!(!page.html.contains("Jetzt gespeichert: local"), "what is the same is not told");
}

#[tokio::test]
async fn what_is_done_to_a_pool_says_so_in_its_row() {
    // Checked, with a doubt about its upload URL; counted anew; an action on a pool that has vanished.
    let fake = cluster(vec![pool(1), pool(2)]);
    fake.on("check_pool", |asked: v1::CheckPoolRequest| {
        if asked.id == 9 {
            return Err(Status::not_found("no pool 9"));
        }
        let url = v1::Finding {
            check: "upload_api_url".into(),
            pool_id: asked.id,
            status: finding::Status::Warning.into(),
            message: "s02 can't reach it".into(),
            ..v1::Finding::default()
        };
        Ok(v1::CheckPoolResponse { healthy: true, findings: vec![url], ..v1::CheckPoolResponse::default() })
    });
    fake.on("recalculate_usage", |asked: v1::RecalculateUsageRequest| {
        let usage = v1::PoolUsage { pool_id: asked.pool_id, used_before: 5_000_000, used_now: 6_000_000 };
        Ok(v1::RecalculateUsageResponse { pools: vec![usage] })
    });
    let pages = pages(&fake);
    let checked = post(&pages, "/admin/storage/1/check", "").await;
    assert_eq!(checked.header(header::LOCATION), "/admin/storage#pool-1");
    let page = follow(&pages, &checked).await;
    assert!(
        page.html.contains("Gesund: geschrieben, gelesen") && page.html.contains("S02 can&#39;t reach it."),
        "{}",
        page.html
    );
    assert!(page.html.contains("API Fehler"), "{}", page.html);
    let counted = follow(&pages, &post(&pages, "/admin/storage/2/recount", "").await).await;
    assert!(counted.html.contains("5,00\u{a0}MB verbucht und ist 6,00\u{a0}MB"), "{}", counted.html);
    let again = get(&pages, "/admin/storage/2/recount", &[]).await;
    assert_eq!((again.status, again.header(header::LOCATION)), (StatusCode::SEE_OTHER, "/admin/storage/2"));
    let gone = follow(&pages, &post(&pages, "/admin/storage/9/check", "").await).await;
    assert!(gone.html.contains("No pool 9"), "said although the pool's row is gone: {}", gone.html);
}

#[tokio::test]
async fn a_pool_is_deleted_after_a_page_that_says_what_is_lost_and_not_while_it_holds_something() {
    let fake = cluster(vec![pool(1), v1::Pool { files: 0, images: 0, used_size: 0, ..pool(2) }]);
    let deletes = asked::<v1::DeletePoolRequest, _>(&fake, "delete_pool", || Ok(v1::DeletePoolResponse {}));
    let pages = pages(&fake);
    let full = get(&pages, "/admin/storage/1/delete", &[]).await;
    assert!(
        full.html.contains("Er hält noch 1.234 Dateien") && !full.html.contains("class=\"danger\""),
        "{}",
        full.html
    );
    let empty = get(&pages, "/admin/storage/2/delete", &[]).await;
    assert!(empty.html.contains("/app/uploads_s02") && empty.html.contains("class=\"danger\""), "{}", empty.html);
    let page = follow(&pages, &post(&pages, "/admin/storage/2/delete", "").await).await;
    assert!(page.html.contains("Speicherpool img2 ist gelöscht."), "{}", page.html);
    assert_eq!(deletes.lock().len(), 1);
}

fn batch() -> v1::JobBatch {
    v1::JobBatch {
        job_id: 42,
        images: 617,
        files: 1234,
        bytes: 12_400_000_000,
        seconds_expected: 300.0,
        target_room: Some(20_000_000_000),
        skipped: vec!["image x: another job is moving it".into()],
        skipped_total: 1,
        ..v1::JobBatch::default()
    }
}

#[tokio::test]
async fn a_pool_is_moved_after_a_preview_that_says_how_much_and_how_long() {
    // The preview asks for a dry run; the start carries the form's request id, so that pressed twice it is one move.
    let fake = cluster(vec![pool(1), pool(2), v1::Pool { is_active: false, ..pool(3) }]);
    let moves = asked::<v1::MovePoolRequest, _>(&fake, "move_pool", || Ok(batch()));
    let pages = pages(&fake);
    let first = get(&pages, "/admin/storage/1/move", &[]).await;
    assert!(first.html.contains("img2 (s02") && !first.html.contains("img3 (s03"), "{}", first.html);
    assert!(moves.lock().is_empty());
    let preview = get(&pages, "/admin/storage/1/move?target=2&which=first&limit=1.000", &[]).await;
    for part in [
        "617 Bilder",
        "1.234 Dateien",
        "12,4\u{a0}GB",
        "5\u{a0}Min.",
        "danach 7,60\u{a0}GB",
        "another job is moving it",
        "Verschieben starten",
    ] {
        assert!(preview.html.contains(part), "{part}: {}", preview.html);
    }
    let dry = moves.lock().pop().unwrap();
    assert_eq!((dry.source_pool_id, dry.target_pool_id, dry.limit, dry.dry_run), (1, 2, 1000, true));
    let id = preview.html.split("name=\"request_id\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    let begun = post(&pages, "/admin/storage/1/move", &format!("target=2&limit=1000&request_id={id}")).await;
    let real = moves.lock().pop().unwrap();
    assert_eq!((real.dry_run, real.request_id.as_str(), real.limit), (false, id, 1000));
    let page = follow(&pages, &begun).await;
    assert!(page.html.contains("Auftrag 42 verschiebt 617 Bilder. 1 ausgelassen"), "{}", page.html);
}

#[tokio::test]
async fn a_move_that_can_not_be_is_told_at_its_field() {
    // No target, a number that is none, a target that the service refuses: before and at the start.
    let fake = cluster(vec![pool(1), pool(2)]);
    fake.on("move_pool", |_: v1::MovePoolRequest| {
        Err::<v1::JobBatch, _>(Status::failed_precondition("pool 2 is not active"))
    });
    let pages = pages(&fake);
    let nowhere = get(&pages, "/admin/storage/1/move?target=", &[]).await;
    assert!(nowhere.html.contains("Bitte einen Ziel-Pool wählen."), "{}", nowhere.html);
    for limit in ["-1", "0", "many", ""] {
        let page = get(&pages, &format!("/admin/storage/1/move?target=2&which=first&limit={limit}"), &[]).await;
        assert!(page.html.contains("Das ist keine Anzahl"), "{limit}: {}", page.html);
    }
    let refused = get(&pages, "/admin/storage/1/move?target=2", &[]).await;
    assert!(refused.html.contains("Pool 2 is not active") && !refused.html.contains("Verschieben starten"));
    let late = post(&pages, "/admin/storage/1/move", "target=2&limit=").await;
    assert_eq!(late.status, StatusCode::PRECONDITION_FAILED);
    assert!(late.html.contains("Pool 2 is not active"), "{}", late.html);
    assert_eq!(get(&pages, "/admin/storage/9/move", &[]).await.status, StatusCode::NOT_FOUND);
    assert_eq!(get(&pages, "/admin/storage/x/move", &[]).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn moves_out_of_a_pool_are_seen_with_what_can_be_done_to_them() {
    // One under way, one that has ended with a failure; one into the pool is not among them.
    let fake = cluster(vec![pool(1), pool(2)]);
    fake.on("list_jobs", |asked: v1::ListJobsRequest| {
        assert_eq!((asked.kind.as_str(), asked.pool_id), ("move_pool", 1));
        let job = |id, source_pool_id, state: &str| v1::Job {
            id,
            kind: "move_pool".into(),
            state: state.into(),
            source_pool_id,
            target_pool_id: 3 - source_pool_id,
            children_total: 617,
            children_done: 300,
            bytes_total: 1000,
            bytes_done: 480,
            bytes_per_second: 5e6,
            eta_seconds: 90.0,
            ..v1::Job::default()
        };
        let note = "3 images were blocked".into();
        let ended = v1::Job { can_undo: true, children_failed: 2, note, ..job(41, 1, "completed") };
        Ok(v1::ListJobsResponse {
            jobs: vec![job(43, 2, "processing"), job(42, 1, "processing"), ended],
            ..Default::default()
        })
    });
    let page = get(&pages(&fake), "/admin/storage/1/move", &[]).await;
    for part in [
        "Pausieren",
        "Verschieben abbrechen",
        "Rückgängig machen",
        "300 von 617 Bildern",
        "5,00\u{a0}MB/s",
        "value=\"480\"",
        "/admin/queues?parent=41&#38;state=failed",
        "3 images were blocked",
        "value=\"/admin/storage/1/move\"",
    ] {
        assert!(page.html.contains(part), "{part}: {}", page.html);
    }
    assert!(!page.html.contains("/admin/queues/43"), "{}", page.html);
}
