//! `/admin/images/<uuid>`: the picture, its data, every file with its state, what became of it; and its checksums read.

use askama::Template;
use axum::{extract::Path, response::Response};
use pixelfox_proto::v1;
use tokio::try_join;

use super::{
    image_shown::{self, Condition, Shower, is_shown, is_web},
    jobs_shown::{self, Shown},
};
use crate::{
    show::Exact,
    trouble::{Trouble, capital, sentence},
    view::View,
    visit::{Fields, Note, Outcome, Visit},
};

/// Jobs of the history.
const HISTORY: u32 = 50;

#[derive(Template)]
#[template(path = "image.html")]
struct ImagePage<'a> {
    v: &'a View,
    image: &'a v1::Image,
    preview: Option<&'a str>,
    /// Why there is none.
    no_preview: &'static str,
    /// Its page for everyone, absolute.
    share: &'a str,
    kind: String,
    sha256: String,
    size: Exact,
    created: Option<Exact>,
    pool: String,
    link: Option<&'a str>,
    files: Vec<FileRow>,
    under_way: Option<Shown>,
    history: Vec<Shown>,
    more: bool,
}

struct FileRow {
    path: String,
    kind: String,
    size: Exact,
    sha256: String,
    pool_id: u64,
    pool: String,
    url: Option<String>,
    condition: Condition,
    hint: Option<String>,
}

/// Every digit of a digest.
fn hex(digest: &[u8]) -> String {
    let digits = digest.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.filter_map(|digit| char::from_digit(u32::from(digit), 16)).collect()
}

pub(crate) async fn page(visit: Visit, uuid: String) -> Result<String, Trouble> {
    let v = &visit.view;
    let (mut admin, mut pools, mut jobs) = (visit.admin(), visit.admin(), visit.admin());
    let of_image =
        v1::ListJobsRequest { image_uuid: uuid.clone(), page_size: HISTORY, ..v1::ListJobsRequest::default() };
    let (image, pools, jobs) = try_join!(
        admin.get_image(v1::GetImageRequest { uuid }),
        pools.list_pools(v1::ListPoolsRequest {}),
        jobs.list_jobs(of_image),
    )?;
    let (image, pools, jobs) = (image.into_inner(), pools.into_inner().pools, jobs.into_inner());
    let shower = Shower { show: v.show, words: &v.w.images, pools: &pools };
    let file = |file: &v1::ImageFile| {
        let pool = shower.pool(file.pool_id);
        FileRow {
            path: file.stored_path.clone(),
            kind: if file.kind == "original" { v.w.images.original.to_owned() } else { file.kind.clone() },
            size: v.show.bytes(file.size),
            sha256: hex(&file.sha256),
            pool_id: file.pool_id,
            url: Some(file.url.clone()).filter(|url| is_web(url)),
            condition: shower.condition(&file.state),
            hint: shower.hint(file, &pool),
            pool,
        }
    };
    let of_jobs = jobs_shown::Shower { show: v.show, words: &v.w.jobs, pools: &pools };
    let is_open = |job: &v1::Job| matches!(job.state.as_str(), "pending" | "processing" | "paused");
    let (open, over): (Vec<v1::Job>, Vec<v1::Job>) = jobs.jobs.into_iter().partition(is_open);
    let is_there = image.files.first().is_some_and(|file| file.state != "lost");
    let page = ImagePage {
        v,
        preview: (is_there && is_shown(&image)).then_some(image.url.as_str()),
        no_preview: if is_there { v.w.images.no_preview_type } else { v.w.images.no_preview_lost },
        share: &image.share_url,
        kind: image_shown::kind(&image.content_type),
        sha256: hex(&image.sha256),
        size: v.show.bytes(image.size),
        created: v.show.at(image.created.as_ref()),
        pool: shower.pool(image.pool_id),
        link: Some(image.url.as_str()).filter(|url| is_web(url)),
        files: image.files.iter().map(file).collect(),
        under_way: open.into_iter().next().map(|job| of_jobs.job(job)),
        history: over.into_iter().map(|job| of_jobs.job(job)).collect(),
        more: !jobs.next_page_token.is_empty(),
        image: &image,
    };
    Ok(page.render()?)
}

/// Every copy of the image is read now.
pub(crate) async fn check(visit: Visit, Path(uuid): Path<String>, _fields: Fields) -> Result<Response, Trouble> {
    let v = &visit.view;
    let w = &v.w.images;
    let asked = visit.admin().verify_images(v1::VerifyImagesRequest { uuids: vec![uuid.clone()], pool_id: 0 }).await;
    let note = match asked.map(tonic::Response::into_inner) {
        Ok(answer) if !answer.waiting.is_empty() => {
            let said: Vec<String> =
                answer.waiting.iter().map(|why| format!("{}.", capital(&v.show.said(why)))).collect();
            Note::new("check", Outcome::Look, said.join(" "))
        }
        Ok(answer) if answer.copies == 0 => Note::new("check", Outcome::Look, w.nothing_to_check),
        Ok(answer) => {
            let copies = v.show.counted_in(answer.copies, w.one_copy, w.copies);
            Note::new("check", Outcome::Done, v.fill(w.checking, copies))
        }
        Err(status) => Note::new("check", Outcome::Refused, sentence(&status)),
    };
    Ok(visit.back(&format!("/admin/images/{uuid}#check"), &note))
}
