//! What is done to a selection of images: moved or deleted, after a page that says what that means.

use askama::Template;
use axum::response::{Html, IntoResponse as _, Response};
use futures_util::{StreamExt as _, stream};
use pixelfox_proto::v1;

use super::jobs_shown::waits;
use crate::{
    form::{Choice, choices},
    query,
    show::Exact,
    trouble::{Trouble, capital, sentence},
    view::View,
    visit::{Fields, Note, Outcome, Visit},
    words::fill,
};

/// Images of one request at most: more than a page of the list has.
const MOST: usize = 1_000;
/// Images that are asked for at once.
const AT_ONCE: usize = 16;
/// Images that are named on the page.
const NAMED: usize = 12;

/// The images that are meant, as far as they are there.
struct Selection {
    uuids: Vec<String>,
    named: Vec<(String, String)>,
    bytes: u64,
    gone: u64,
}

impl Selection {
    /// Names and sizes of the first ones; a page of a list has no more.
    async fn of(visit: &Visit, uuids: Vec<String>) -> Result<Self, Trouble> {
        let asked = uuids.into_iter().map(|uuid| {
            let mut admin = visit.admin();
            async move { admin.get_image(v1::GetImageRequest { uuid }).await }
        });
        let asked: Vec<_> = stream::iter(asked).buffered(AT_ONCE).collect().await;
        let (mut images, mut gone) = (Vec::new(), 0);
        for image in asked {
            match image {
                Ok(image) => images.push(image.into_inner()),
                Err(status) if status.code() == tonic::Code::NotFound => gone += 1,
                Err(status) => return Err(status.into()),
            }
        }
        let named = |image: &v1::Image| (image.uuid.clone(), image.original_name.clone());
        Ok(Self {
            named: images.iter().take(NAMED).map(named).collect(),
            bytes: images.iter().flat_map(|image| &image.files).map(|file| file.size).sum(),
            uuids: images.into_iter().map(|image| image.uuid).collect(),
            gone,
        })
    }

    fn count(&self) -> u64 {
        u64::try_from(self.uuids.len()).unwrap_or(u64::MAX)
    }

    fn more(&self) -> usize {
        self.uuids.len() - self.named.len()
    }
}

#[derive(Template)]
#[template(path = "selection_move.html")]
struct MovePage<'a> {
    v: &'a View,
    selection: &'a Selection,
    images: String,
    pools: Vec<Choice>,
    can_start: bool,
    missing: bool,
    preview: Option<Preview>,
    refused: String,
    back: &'a str,
    request_id: String,
}

/// What would happen.
pub(super) struct Preview {
    pub(super) goes: String,
    pub(super) anything: bool,
    pub(super) takes: String,
    /// Why it does not begin at once.
    pub(super) waits: Option<String>,
    /// `None` where it is not known because of that.
    pub(super) room: Option<Result<String, String>>,
    pub(super) skipped: Vec<String>,
    pub(super) stays: String,
}

#[derive(Template)]
#[template(path = "selection_delete.html")]
struct DeletePage<'a> {
    v: &'a View,
    selection: &'a Selection,
    lost: String,
    refused: String,
    back: &'a str,
    request_id: String,
}

/// `POST /admin/images/selected`: the page before it is done.
pub(crate) async fn selected(visit: Visit, fields: Fields) -> Result<Response, Trouble> {
    let back = query::back(&fields, "/admin/images");
    let uuids: Vec<String> = fields.all("uuid").take(MOST).map(str::to_owned).collect();
    if uuids.is_empty() {
        let note = Note::new("selection", Outcome::Look, visit.view.w.images.not_chosen);
        return Ok(visit.back(&format!("{back}#selection"), &note));
    }
    let selection = Selection::of(&visit, uuids).await?;
    if selection.uuids.is_empty() {
        let note = Note::new("selection", Outcome::Look, visit.view.w.selection.all_gone);
        return Ok(visit.back(&format!("{back}#selection"), &note));
    }
    match fields.text("do") {
        "delete" => delete_page(&visit, &selection, back, String::new()),
        _ => move_page(&visit, &selection, &fields, back).await,
    }
}

async fn move_page(visit: &Visit, selection: &Selection, fields: &Fields, back: &str) -> Result<Response, Trouble> {
    let v = &visit.view;
    let w = &v.w.selection;
    let target: u64 = fields.text("target").parse().unwrap_or_default();
    let (mut preview, mut refused) = (None, String::new());
    if target > 0 {
        let dry = v1::MoveImagesRequest {
            uuids: selection.uuids.clone(),
            target_pool_id: target,
            dry_run: true,
            request_id: String::new(),
        };
        match visit.admin().move_images(dry).await {
            Ok(batch) => preview = Some(Preview::of(v, &batch.into_inner())),
            Err(status) => refused = sentence(&status),
        }
    }
    let pools = visit.admin().list_pools(v1::ListPoolsRequest {}).await?.into_inner().pools;
    let label = |pool: &v1::Pool| {
        let more = match pool {
            pool if !pool.online => w.offline.to_owned(),
            pool if !pool.healthy => w.ill.to_owned(),
            pool if !pool.is_active => w.inactive.to_owned(),
            pool => fill(w.free, &[("bytes", &v.show.bytes(pool.filesystem_free).short)]),
        };
        (pool.id.to_string(), format!("{} ({}, {more})", pool.name, pool.node_id))
    };
    let page = MovePage {
        v,
        selection,
        images: v.show.counted_in(selection.count(), v.w.images.one, v.w.images.many),
        pools: choices(pools.iter().map(label), &target.to_string()),
        can_start: preview.as_ref().is_some_and(|preview| preview.anything),
        missing: target == 0 && fields.has("target"),
        preview,
        refused,
        back,
        request_id: request_id(fields),
    };
    Ok(Html(page.render()?).into_response())
}

impl Preview {
    pub(super) fn of(v: &View, batch: &v1::JobBatch) -> Self {
        let (w, show) = (&v.w.selection, v.show);
        let images = show.counted_in(batch.images, v.w.images.one, v.w.images.many);
        let files = show.counted_in(batch.files, w.one_file, w.files);
        let bytes: Exact = show.bytes(batch.bytes);
        let waits = (!batch.waiting_for.is_empty())
            .then(|| fill(w.waits, &[("why", &waits(&v.w.jobs, show, &batch.waiting_for))]));
        let room = match batch.target_room {
            _ if !batch.too_large.is_empty() => Some(Err(capital(&show.said(&batch.too_large)))),
            None if waits.is_some() => None,
            None => Some(Err(w.room_unknown.to_owned())),
            Some(room) if room < batch.bytes => Some(Err(fill(w.room_short, &[("bytes", &show.bytes(room).short)]))),
            Some(room) => {
                let (bytes, after) = (show.bytes(room).short, show.bytes(room - batch.bytes).short);
                Some(Ok(fill(w.room, &[("bytes", &bytes), ("after", &after)])))
            }
        };
        let goes = [("images", images.as_str()), ("files", files.as_str()), ("bytes", bytes.short.as_str())];
        Self {
            anything: batch.images > 0,
            goes: if batch.images > 0 { fill(w.goes, &goes) } else { w.nothing_goes.to_owned() },
            takes: match batch.seconds_expected {
                seconds if seconds > 0.0 => fill(w.takes, &[("time", &show.duration(seconds))]),
                _ => w.takes_unknown.to_owned(),
            },
            waits,
            room,
            stays: v.fill(w.stays, show.count(batch.skipped_total)),
            skipped: batch.skipped.iter().take(NAMED).map(|why| show.said(why)).collect(),
        }
    }
}

fn delete_page(visit: &Visit, selection: &Selection, back: &str, refused: String) -> Result<Response, Trouble> {
    let v = &visit.view;
    let images = v.show.counted_in(selection.count(), v.w.images.one, v.w.images.many);
    let bytes = v.show.bytes(selection.bytes).short;
    let lost = fill(v.w.selection.lost, &[("images", &images), ("bytes", &bytes)]);
    let page = DeletePage { v, selection, lost, refused, back, request_id: fresh_id() };
    Ok(Html(page.render()?).into_response())
}

/// `POST /admin/images/move`: a preview once more, or the move.
pub(crate) async fn start_move(visit: Visit, fields: Fields) -> Result<Response, Trouble> {
    if fields.text("do") != "start" {
        return selected(visit, fields).await;
    }
    let uuids: Vec<String> = fields.all("uuid").take(MOST).map(str::to_owned).collect();
    let target_pool_id = fields.text("target").parse().unwrap_or_default();
    let ask = v1::MoveImagesRequest { uuids, target_pool_id, dry_run: false, request_id: request_id(&fields) };
    match visit.admin().move_images(ask).await {
        Ok(batch) => Ok(begun(&visit, &batch.into_inner(), visit.view.w.storage.nothing_went)),
        // the page says why, with what was chosen
        Err(_) => selected(visit, fields).await,
    }
}

/// `POST /admin/images/delete`.
pub(crate) async fn delete(visit: Visit, fields: Fields) -> Result<Response, Trouble> {
    let uuids: Vec<String> = fields.all("uuid").take(MOST).map(str::to_owned).collect();
    let ask = v1::DeleteImagesRequest { uuids: uuids.clone(), request_id: request_id(&fields) };
    match visit.admin().delete_images(ask).await {
        Ok(batch) => Ok(begun(&visit, &batch.into_inner(), visit.view.w.selection.all_gone)),
        Err(status) => {
            let back = query::back(&fields, "/admin/images");
            let selection = Selection::of(&visit, uuids).await?;
            if selection.uuids.is_empty() {
                let note = Note::new("selection", Outcome::Look, visit.view.w.selection.all_gone);
                return Ok(visit.back(&format!("{back}#selection"), &note));
            }
            delete_page(&visit, &selection, back, sentence(&status))
        }
    }
}

/// To the job's page, where it is seen; else `nothing` with the first reason.
fn begun(visit: &Visit, batch: &v1::JobBatch, nothing: &str) -> Response {
    let (v, w) = (&visit.view, &visit.view.w.jobs);
    let (path, at) = match batch.job_id {
        0 => ("/admin/queues".to_owned(), "queue"),
        job => (format!("/admin/queues/{job}"), "job"),
    };
    let note = match batch.skipped.first() {
        _ if batch.images > 0 => Note::new(at, Outcome::Done, fill(w.begun, &[("id", &batch.job_id.to_string())])),
        Some(why) => Note::new(at, Outcome::Look, format!("{nothing} {}", capital(&v.show.said(why)))),
        None => Note::new(at, Outcome::Look, nothing),
    };
    visit.back(&path, &note)
}

/// Of the form, so that the same form sent twice does one thing.
pub(super) fn request_id(fields: &Fields) -> String {
    let given = fields.text("request_id");
    if given.is_empty() { fresh_id() } else { given.chars().take(64).collect() }
}

/// Told apart by time and place in this process.
fn fresh_id() -> String {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let now = jiff::Timestamp::now().as_nanosecond();
    format!("page-{now:x}-{:x}", NEXT.fetch_add(1, Ordering::Relaxed))
}
