//! Images, one of them, the queue, a job: read and acted upon without JavaScript.

use std::sync::Arc;

use http::{StatusCode, header};
use parking_lot::Mutex;
use pixelfox_proto::v1;
use tonic::Status;

use crate::{
    fake::Fake,
    reader::{follow, get, pages, post},
};

const SHARE: &str = "https://pixelfox.example/i/AAAAAAAAAAAA";
const UUID: &str = "0190a6f2-3b5c-4d7e-8f90-a1b2c3d4e5f6";

fn pool(id: u64, name: &str, node: &str) -> v1::Pool {
    v1::Pool { id, name: name.into(), node_id: node.into(), online: true, is_active: true, ..v1::Pool::default() }
}

fn image() -> v1::Image {
    v1::Image {
        uuid: UUID.into(),
        share_token: "AAAAAAAAAAAA".into(),
        share_url: "https://pixelfox.example/i/AAAAAAAAAAAA".into(),
        original_name: "<b>Sommer</b> & \"Meer\".jpg".into(),
        content_type: "image/jpeg".into(),
        size: 1_234_567,
        width: 4000,
        height: 3000,
        sha256: vec![0xab; 32],
        pool_id: 1,
        url: "javascript:alert(1)".into(),
        files: vec![v1::ImageFile {
            stored_path: format!("original/2026/11/24/{UUID}.jpg"),
            kind: "original".into(),
            size: 1_234_567,
            sha256: vec![0xab; 32],
            url: format!("http://s01.example:8080/uploads/original/2026/11/24/{UUID}.jpg"),
            pool_id: 1,
            state: "lost".into(),
            generation: 1,
            trash_pool_id: 0,
        }],
        ..v1::Image::default()
    }
}

fn job(id: u64, kind: &str, state: &str) -> v1::Job {
    v1::Job {
        id,
        kind: kind.into(),
        state: state.into(),
        source_pool_id: 1,
        target_pool_id: 2,
        max_attempts: 5,
        ..v1::Job::default()
    }
}

/// What was asked of a method, in order.
type Asked<T> = Arc<Mutex<Vec<T>>>;

fn with_everything() -> Fake {
    let fake = Fake::new();
    let pools = vec![pool(1, "Default", "local"), pool(2, "img1", "s01")];
    fake.on("list_pools", move |_: v1::ListPoolsRequest| Ok(v1::ListPoolsResponse { pools: pools.clone() }));
    fake.on("get_image", |ask: v1::GetImageRequest| match ask.uuid == UUID {
        true => Ok(image()),
        false => Err(Status::not_found(format!("no image {}", ask.uuid))),
    });
    fake.on("list_jobs", |_: v1::ListJobsRequest| Ok(v1::ListJobsResponse::default()));
    fake.on("get_queue", |_: v1::GetQueueRequest| Ok(v1::Queue::default()));
    fake
}

/// Like `on`, and remembers what was asked.
fn watched<Q: Clone + Send + 'static, A: Send + 'static>(
    fake: &Fake,
    method: &'static str,
    answer: impl Fn(Q) -> Result<A, Status> + Send + Sync + 'static,
) -> Asked<Q> {
    let asked: Asked<Q> = Arc::default();
    let all = asked.clone();
    fake.on(method, move |ask: Q| {
        all.lock().push(ask.clone());
        answer(ask)
    });
    asked
}

#[tokio::test]
async fn images_are_asked_for_as_the_form_says_and_shown_without_their_markup() {
    // Every filter reaches the service; names are text; the next page keeps the filter; a short page says so.
    let fake = with_everything();
    let asked = watched(&fake, "list_images", |ask: v1::ListImagesRequest| {
        let images = if ask.query == "nichts" { vec![] } else { vec![image()] };
        Ok(v1::ListImagesResponse { images, next_page_token: "TOKEN".into(), total: 10_000, total_is_at_least: true })
    });
    let pages = pages(&fake);
    let filter = "q=a%26b&pool=2&node=s01&size_from=1,5&size_to=9&day_from=2026-11-01&day_to=2026-11-24&state=lost&order=largest";
    let page = get(&pages, &format!("/admin/images?{filter}&view=table"), &[]).await;
    let ask = asked.lock().remove(0);
    assert_eq!((ask.query.as_str(), ask.pool_id, ask.node_id.as_str()), ("a&b", 2, "s01"));
    assert_eq!(
        (ask.size_from, ask.size_to, ask.state.as_str(), ask.order.as_str()),
        (1_500_000, 9_000_000, "lost", "largest")
    );
    assert_eq!(ask.created_before.unwrap().seconds - ask.created_from.unwrap().seconds, 24 * 86_400);
    assert!(page.html.contains("Mindestens 10.000 Bilder"), "{}", page.html);
    assert!(!page.html.contains("<b>Sommer") && page.html.contains("&#60;b&#62;Sommer"), "{}", page.html);
    assert!(page.html.contains("Vermisst") && page.html.contains("value=\"a&#38;b\""), "{}", page.html);
    let next = page.html.split("rel=\"next\" href=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
    for part in ["q=a%26b", "pool=2", "order=largest", "view=table", "after=TOKEN"] {
        assert!(next.contains(part), "{part}: {next}");
    }
    let short = get(&pages, "/admin/images?q=nichts", &[]).await;
    assert!(short.html.contains("noch nicht alles durchgesehen") && short.html.contains("Weiter suchen"));
}

#[tokio::test]
async fn a_name_that_turns_the_reading_direction_round_stays_within_itself() {
    // As text on each page that has it: between tags it is in an element that isolates it.
    let fake = with_everything();
    let turned = || v1::Image { original_name: "cat\u{202e}gnp.exe".into(), ..image() };
    fake.on("get_image", move |_: v1::GetImageRequest| Ok(turned()));
    fake.on("list_images", move |_: v1::ListImagesRequest| {
        Ok(v1::ListImagesResponse { images: vec![turned()], total: 1, ..v1::ListImagesResponse::default() })
    });
    let pages = pages(&fake);
    let mut shown_on = Vec::new();
    for path in ["/admin/images?view=table", "/admin/images?view=tiles", &format!("/admin/images/{UUID}")] {
        shown_on.push(get(&pages, path, &[]).await);
    }
    for what in ["move", "delete"] {
        shown_on.push(post(&pages, "/admin/images/selected", &format!("do={what}&uuid={UUID}")).await);
    }
    for page in shown_on {
        let shown: Vec<&str> = page.html.split(">cat\u{202e}gnp.exe<").collect();
        // The title of the window has no elements.
        let (last, before) = shown.split_last().unwrap();
        let bare = before.iter().filter(|before| !before.ends_with("<bdi") && !before.ends_with("<title"));
        assert!(!last.is_empty() && !before.is_empty() && bare.count() == 0, "{}", page.html);
    }
}

#[tokio::test]
async fn a_filter_that_can_not_be_read_is_marked_and_kept() {
    let fake = with_everything();
    let asked = watched(&fake, "list_images", |_: v1::ListImagesRequest| Ok(v1::ListImagesResponse::default()));
    let page = get(&pages(&fake), "/admin/images?q=meer&size_from=viel", &[]).await;
    assert!(asked.lock().is_empty() && page.html.contains("value=\"viel\"") && page.html.contains("value=\"meer\""));
    assert!(page.html.contains("aria-describedby=\"size_from-wrong\""), "{}", page.html);
    let page = get(&pages(&fake), "/admin/images?size_to=1.500", &[]).await;
    assert!(asked.lock().is_empty() && page.html.contains("aria-describedby=\"size_to-wrong\""), "{}", page.html);
    let page = get(&pages(&fake), "/admin/images?pool=abc", &[]).await;
    assert!(asked.lock().is_empty() && page.html.contains("nennt keinen Speicherpool"), "{}", page.html);
}

#[tokio::test]
async fn a_selection_is_moved_after_a_preview_and_deleted_after_a_question() {
    // Nothing is written by the first page; the second says what will happen; the third step does it, once.
    let fake = with_everything();
    let moves = watched(&fake, "move_images", |ask: v1::MoveImagesRequest| match ask.target_pool_id {
        1 => Err(Status::failed_precondition("they are there already")),
        _ => Ok(v1::JobBatch {
            job_id: if ask.dry_run { 0 } else { 7 },
            images: 1,
            files: 3,
            bytes: 5_000_000,
            skipped: vec!["x: <i>another job</i> moves it".into()],
            skipped_total: 1,
            seconds_expected: 65.0,
            target_room: Some(1_000_000),
            waiting_for: String::new(),
            too_large: String::new(),
        }),
    });
    let deletes = watched(&fake, "delete_images", |_: v1::DeleteImagesRequest| {
        Ok(v1::JobBatch { job_id: 8, images: 1, ..v1::JobBatch::default() })
    });
    let pages = pages(&fake);
    let none = post(&pages, "/admin/images/selected", "do=move&back=/admin/images?pool=1").await;
    assert_eq!((none.status, none.header(header::LOCATION)), (StatusCode::SEE_OTHER, "/admin/images?pool=1#selection"));
    let gone = "0190a6f2-0000-4d7e-8f90-a1b2c3d4e5f6";
    let chosen = post(&pages, "/admin/images/selected", &format!("do=move&uuid={UUID}&uuid={gone}")).await;
    assert!(chosen.html.contains("Ziel-Pool") && chosen.html.contains("1 davon gibt es nicht mehr"), "{}", chosen.html);
    let page = chosen.html.split("<main").nth(1).unwrap();
    assert!(!page.contains(gone) && moves.lock().is_empty(), "{page}");
    let preview = post(&pages, "/admin/images/move", &format!("do=preview&target=2&request_id=r1&uuid={UUID}")).await;
    for said in [
        "1 Bild mit 3 Dateien und 5,00",
        "dauert etwa 1",
        "hat nur Platz für 1,00",
        "&#60;i&#62;another job",
        "Verschieben starten",
        "value=\"r1\"",
    ] {
        assert!(preview.html.contains(said), "{said}: {}", preview.html);
    }
    let refused = post(&pages, "/admin/images/move", &format!("do=start&target=1&uuid={UUID}")).await;
    assert!(
        refused.html.contains("They are there already") && refused.html.contains("aria-invalid"),
        "{}",
        refused.html
    );
    let started = post(&pages, "/admin/images/move", &format!("do=start&target=2&request_id=r1&uuid={UUID}")).await;
    assert_eq!(started.header(header::LOCATION), "/admin/queues/7");
    let last = moves.lock().pop().unwrap();
    assert_eq!((last.dry_run, last.request_id.as_str(), last.uuids), (false, "r1", vec![UUID.to_owned()]));
    let asks = post(&pages, "/admin/images/selected", &format!("do=delete&uuid={UUID}")).await;
    assert!(asks.html.contains("Das lässt sich nicht rückgängig machen") && deletes.lock().is_empty(), "{}", asks.html);
    let deleted = post(&pages, "/admin/images/delete", &format!("uuid={UUID}&request_id=r2")).await;
    assert_eq!(deleted.header(header::LOCATION), "/admin/queues/8");
    assert_eq!(deletes.lock()[0].request_id, "r2");
}

#[tokio::test]
async fn an_image_shows_every_file_with_its_state_and_its_cure() {
    // Lost is said in words with what to do; what is under way stands above what is over; an address that is none of the
    // web is no link; a check says how many copies are read.
    let fake = with_everything();
    fake.on("list_jobs", |ask: v1::ListJobsRequest| {
        assert_eq!(ask.image_uuid, UUID);
        let waiting = v1::Job { waiting_for: "node s01 is not attached".into(), ..job(3, "move_image", "pending") };
        Ok(v1::ListJobsResponse { jobs: vec![waiting, job(2, "move_image", "completed")], ..Default::default() })
    });
    fake.on("verify_images", |_: v1::VerifyImagesRequest| Ok(v1::VerifyImagesResponse { copies: 2, waiting: vec![] }));
    let pages = pages(&fake);
    let page = get(&pages, &format!("/admin/images/{UUID}"), &[]).await;
    for said in [
        "Vermisst",
        "in Pool Default nicht da",
        "Knoten s01 ist nicht verbunden",
        "4000 × 3000",
        "Verlauf",
        &"ab".repeat(32),
    ] {
        assert!(page.html.contains(said), "{said}: {}", page.html);
    }
    assert!(!page.html.contains("javascript:"), "{}", page.html);
    let checked = post(&pages, &format!("/admin/images/{UUID}/check"), "").await;
    assert_eq!(checked.header(header::LOCATION), format!("/admin/images/{UUID}#check"));
    fake.on("verify_images", |_: v1::VerifyImagesRequest| {
        let waiting = vec!["node s01 is not attached: in pool img1 3 copies wait for it".to_owned()];
        Ok(v1::VerifyImagesResponse { copies: 3, waiting })
    });
    let waits = follow(&pages, &post(&pages, &format!("/admin/images/{UUID}/check"), "").await).await;
    assert!(
        waits.html.contains("Knoten s01 ist nicht verbunden: In Pool img1 warten 3 Kopien darauf."),
        "{}",
        waits.html
    );
    let unknown = get(&pages, "/admin/images/0190a6f2-0000-4d7e-8f90-a1b2c3d4e5f6", &[]).await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_queue_says_why_a_job_waits_and_changes_one_or_all_of_a_filter() {
    // Reasons and causes in words; one job at once; all of a filter only after the question, with the same filter.
    let fake = with_everything();
    fake.on("get_queue", |_: v1::GetQueueRequest| {
        let jobs_by_state = [("failed".to_owned(), 1234)].into();
        Ok(v1::Queue { paused: true, jobs_by_state, ..v1::Queue::default() })
    });
    let lists = watched(&fake, "list_jobs", |_: v1::ListJobsRequest| {
        let failed =
            v1::Job { last_error: "disk <full>".into(), attempt: 7, failures: 5, ..job(5, "move_image", "failed") };
        let waiting = v1::Job { waiting_for: "pool img1 is full".into(), ..job(6, "move_image", "pending") };
        Ok(v1::ListJobsResponse { jobs: vec![waiting, failed], total: 2, ..Default::default() })
    });
    let retries = watched(&fake, "retry_jobs", |_: v1::ChangeJobsRequest| Ok(v1::ChangeJobsResponse { changed: 1 }));
    let cancels = watched(&fake, "cancel_jobs", |_: v1::ChangeJobsRequest| Ok(v1::ChangeJobsResponse { changed: 0 }));
    let pages = pages(&fake);
    let page = get(&pages, "/admin/queues", &[]).await;
    assert!(lists.lock()[0].top_level, "without a filter: what people asked for");
    for said in [
        "Pool img1 ist voll",
        "disk &#60;full&#62;",
        "Versuch 5 von 5",
        "1.234 Aufträge sind fehlgeschlagen",
        "Warteschlange fortsetzen",
    ] {
        assert!(page.html.contains(said), "{said}: {}", page.html);
    }
    get(&pages, "/admin/queues?state=failed&node=s01", &[]).await;
    assert!(!lists.lock().last().unwrap().top_level, "who looks for failures sees every job");
    let one = post(&pages, "/admin/queues/change", "do=retry&id=5&back=/admin/queues?state=failed").await;
    assert_eq!(one.header(header::LOCATION), "/admin/queues?state=failed#job-5");
    assert_eq!(retries.lock()[0].ids, [5]);
    let filter = "state=failed&node=s01&back=/admin/queues";
    let sure = post(&pages, "/admin/queues/change", &format!("do=cancel&{filter}")).await;
    assert!(sure.html.contains("2 Aufträge") && sure.html.contains("name=\"node\" value=\"s01\""), "{}", sure.html);
    assert!(cancels.lock().is_empty());
    post(&pages, "/admin/queues/change", &format!("do=cancel&sure=1&{filter}")).await;
    let ask = cancels.lock().remove(0);
    assert_eq!((ask.state.as_str(), ask.node_id.as_str(), ask.ids.len()), ("failed", "s01", 0));
    fake.on("list_jobs", |_: v1::ListJobsRequest| Ok(v1::ListJobsResponse::default()));
    let nothing = post(&pages, "/admin/queues/change", &format!("do=cancel&{filter}")).await;
    assert_eq!(nothing.header(header::LOCATION), "/admin/queues", "nothing to be sure about");
}

#[tokio::test]
async fn a_jobs_page_shows_how_far_it_is_and_its_images() {
    let fake = with_everything();
    fake.on("get_job", |ask: v1::GetJobRequest| match ask.id {
        9 => Ok(v1::Job {
            bytes_done: 500,
            bytes_total: 1000,
            children_done: 1,
            children_failed: 1,
            children_total: 4,
            bytes_per_second: 250.0,
            eta_seconds: 2.0,
            ..job(9, "move_images", "processing")
        }),
        _ => Err(Status::not_found("no job")),
    });
    fake.on("list_jobs", |ask: v1::ListJobsRequest| {
        let jobs = if ask.state == "failed" { vec![job(10, "move_image", "failed")] } else { vec![] };
        Ok(v1::ListJobsResponse { jobs, ..Default::default() })
    });
    let pages = pages(&fake);
    let page = get(&pages, "/admin/queues/9", &[]).await;
    for said in [
        "1 von 4 Bildern",
        "250",
        "value=\"500\"",
        "Verschieben abbrechen",
        "/admin/queues?parent=9&#38;state=failed",
        "id=\"job-10\"",
    ] {
        assert!(page.html.contains(said), "{said}: {}", page.html);
    }
    assert_eq!(get(&pages, "/admin/queues/11", &[]).await.status, StatusCode::NOT_FOUND);
    assert_eq!(get(&pages, "/admin/queues/x", &[]).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn an_image_has_its_share_link_to_copy_and_says_why_it_has_no_small_picture() {
    // On its own page, in the grid and in the table; one that is too large, one of a kind that browsers don't show.
    let fake = with_everything();
    let there = |file: v1::ImageFile| v1::ImageFile { state: "live".into(), ..file };
    let web = v1::Image { url: "http://s01.example/uploads/a.jpg".into(), ..image() };
    let web = v1::Image { files: web.files.clone().into_iter().map(there).collect(), ..web };
    let large = v1::Image { size: 40 << 20, ..web.clone() };
    let other = v1::Image { content_type: "image/tiff".into(), ..web };
    fake.on("list_images", move |_: v1::ListImagesRequest| {
        let images = vec![image(), large.clone(), other.clone()];
        Ok(v1::ListImagesResponse { images, total: 3, ..v1::ListImagesResponse::default() })
    });
    let pages = pages(&fake);
    for path in ["/admin/images", "/admin/images?view=table", &format!("/admin/images/{UUID}")] {
        let html = get(&pages, path, &[]).await.html;
        assert!(
            html.contains(&format!("href=\"{SHARE}\"")) && html.contains(&format!("data-copy=\"{SHARE}\"")),
            "{html}"
        );
    }
    let html = get(&pages, "/admin/images", &[]).await.html;
    for why in ["Keine Vorschau: die Datei fehlt", "Keine Vorschau: größer als 3 MiB", "Keine Vorschau: diese Art"] {
        assert!(html.contains(why), "{why}: {html}");
    }
}
