//! A pool whose disk is gone for good begins anew on an empty one: asked first, and the pool's name typed.

use askama::Template;
use axum::{
    extract::Path,
    response::{Html, IntoResponse as _, Response},
};
use pixelfox_proto::v1;
use tonic::Code;

use super::{
    actions::{back, no},
    id,
};
use crate::{
    trouble::{Trouble, sentence},
    view::View,
    visit::{Fields, Outcome, Visit},
    words::fill,
};

#[derive(Template)]
#[template(path = "pool_replace.html")]
struct SurePage<'a> {
    v: &'a View,
    pool: v1::Pool,
    title: String,
    what: String,
    typed: &'a str,
    /// Why what was typed is not taken.
    wrong: String,
}

async fn page(visit: &Visit, id: u64, typed: &str, wrong: String) -> Result<String, Trouble> {
    let pool = visit.admin().get_pool(v1::GetPoolRequest { id }).await?.into_inner();
    let (v, w, show) = (&visit.view, &visit.view.w.storage, visit.view.show);
    let files = show.counted_in(pool.files, w.one_file, w.many_files);
    let used = show.bytes(pool.used_size).short;
    let values = [("node", pool.node_id.as_str()), ("path", &pool.base_path), ("files", &files), ("used", &used)];
    let (title, what) = (fill(w.replace_title, &[("name", &pool.name)]), fill(w.replace_what, &values));
    Ok(SurePage { v, title, what, pool, typed, wrong }.render()?)
}

pub(super) async fn sure(visit: Visit, path: Path<String>) -> Result<Html<String>, Trouble> {
    Ok(Html(page(&visit, id(path)?, "", String::new()).await?))
}

pub(super) async fn begin(visit: Visit, path: Path<String>, fields: Fields) -> Result<Response, Trouble> {
    let (id, name) = (id(path)?, fields.text("name"));
    let request = v1::ReplacePoolDiskRequest { id, name: name.to_owned() };
    match visit.admin().replace_pool_disk(request).await.map(tonic::Response::into_inner) {
        Ok(lost) => {
            let (w, show) = (&visit.view.w.storage, visit.view.show);
            let files = show.counted_in(lost.files, w.one_file, w.many_files);
            let used = show.bytes(lost.bytes).short;
            let text = fill(w.replaced, &[("name", name), ("files", &files), ("used", &used)]);
            Ok(back(&visit, id, Outcome::Look, text))
        }
        Err(status) if status.code() == Code::InvalidArgument => {
            let page = page(&visit, id, name, sentence(&status)).await?;
            Ok((http::StatusCode::BAD_REQUEST, Html(page)).into_response())
        }
        Err(status) => Ok(no(&visit, id, &status)),
    }
}
