//! What is done to one pool from its row: checked, counted anew, deleted.

use std::collections::BTreeMap;

use askama::Template;
use axum::{
    extract::Path,
    response::{Html, Response},
};
use pixelfox_proto::v1;
use tonic::Status;

use super::{
    id,
    refused::{self, Weight},
};
use crate::{
    checks::ApiCheck,
    trouble::{Trouble, sentence},
    view::View,
    visit::{Note, Outcome, Visit},
    words::fill,
};

/// The check of a finding that is about it.
pub(super) const UPLOAD_API_URL: &str = "upload_api_url";

#[derive(Template)]
#[template(path = "pool_delete.html")]
struct SurePage<'a> {
    v: &'a View,
    pool: v1::Pool,
    title: String,
    what: String,
    /// What is in the way; empty: nothing.
    held: Vec<String>,
}

/// To the pool's row, where `note` is shown.
pub(super) fn back(visit: &Visit, pool: u64, outcome: Outcome, text: impl Into<String>) -> Response {
    let key = format!("pool-{pool}");
    visit.back(&format!("/admin/storage#{key}"), &Note::new(&key, outcome, text))
}

pub(super) fn no(visit: &Visit, pool: u64, status: &Status) -> Response {
    back(visit, pool, Outcome::Refused, sentence(status))
}

pub(super) async fn check(visit: Visit, path: Path<String>) -> Result<Response, Trouble> {
    let id = id(path)?;
    let (w, show) = (&visit.view.w.storage, visit.view.show);
    Ok(match visit.admin().check_pool(v1::CheckPoolRequest { id }).await.map(tonic::Response::into_inner) {
        Err(status) => no(&visit, id, &status),
        Ok(found) => {
            let nobody_asked = !found.findings.iter().any(|it| it.check == UPLOAD_API_URL);
            note_ways(&visit, &found.findings).await;
            let free = show.bytes(found.filesystem_free).short;
            let time = show.moment(found.round_trip_seconds);
            let mut text = if found.healthy {
                fill(w.check_fine, &[("time", &time), ("free", &free)])
            } else {
                fill(w.check_ill, &[("problem", &show.said(&found.problem))])
            };
            let mut outcome = if found.healthy { Outcome::Done } else { Outcome::Refused };
            for finding in found.findings.into_iter().map(refused::of_wire) {
                if finding.weight > Weight::Hint {
                    text.push(' ');
                    text.push_str(&finding.text);
                    outcome = if outcome == Outcome::Done { Outcome::Look } else { outcome };
                }
            }
            if nobody_asked {
                text.push(' ');
                text.push_str(w.api_nobody);
            }
            back(&visit, id, outcome, text)
        }
    })
}

/// Keeps what was found about pools' upload URLs for the table: of each the worst, with the URL that was tried.
pub(in crate::pages) async fn note_ways(visit: &Visit, found: &[v1::Finding]) {
    let mut worst: BTreeMap<u64, &v1::Finding> = BTreeMap::new();
    for finding in found.iter().filter(|it| it.check == UPLOAD_API_URL && it.pool_id != 0) {
        let kept = worst.entry(finding.pool_id).or_insert(finding);
        if finding.status() > kept.status() {
            *kept = finding;
        }
    }
    if worst.is_empty() {
        return;
    }
    let Ok(pools) = visit.admin().list_pools(v1::ListPoolsRequest {}).await else { return };
    for pool in pools.into_inner().pools {
        let Some(finding) = worst.remove(&pool.id) else { continue };
        note_way(visit, pool.id, pool.upload_api_url, finding);
    }
}

pub(super) fn note_way(visit: &Visit, pool: u64, url: String, finding: &v1::Finding) {
    let is_well = finding.status() == v1::finding::Status::Ok;
    let problem = if is_well { String::new() } else { refused::of_wire(finding.clone()).text };
    visit.checks().note(pool, ApiCheck { at: jiff::Timestamp::now(), url, problem });
}

pub(super) async fn recount(visit: Visit, path: Path<String>) -> Result<Response, Trouble> {
    let id = id(path)?;
    let (w, show) = (&visit.view.w.storage, visit.view.show);
    let counted = visit.admin().recalculate_usage(v1::RecalculateUsageRequest { pool_id: id }).await;
    Ok(match counted.map(tonic::Response::into_inner) {
        Err(status) => no(&visit, id, &status),
        Ok(counted) => {
            let usage = counted.pools.first().copied().unwrap_or_default();
            let now = show.bytes(usage.used_now).short;
            if usage.used_before == usage.used_now {
                back(&visit, id, Outcome::Done, fill(w.recount_same, &[("now", &now)]))
            } else {
                let before = show.bytes(usage.used_before).short;
                back(&visit, id, Outcome::Look, fill(w.recount_off, &[("before", &before), ("now", &now)]))
            }
        }
    })
}

/// Asks first, and says what will be gone and what stays.
pub(super) async fn sure(visit: Visit, path: Path<String>) -> Result<Html<String>, Trouble> {
    let id = id(path)?;
    let pool = visit.admin().get_pool(v1::GetPoolRequest { id }).await?.into_inner();
    let (v, w, show) = (&visit.view, &visit.view.w.storage, visit.view.show);
    let mut held = Vec::new();
    if pool.is_default {
        held.push(w.delete_default.to_owned());
    }
    if pool.files > 0 || pool.images > 0 {
        let files = show.counted_in(pool.files, w.one_file, w.many_files);
        held.push(fill(w.delete_holds, &[("files", &files), ("used", &show.bytes(pool.used_size).short)]));
    }
    if pool.trash_size > 0 {
        held.push(fill(w.delete_trash, &[("trash", &show.bytes(pool.trash_size).short)]));
    }
    let page = SurePage {
        v,
        title: fill(w.delete_title, &[("name", &pool.name)]),
        what: fill(w.delete_what, &[("path", &pool.base_path), ("node", &pool.node_id)]),
        held,
        pool,
    };
    Ok(Html(page.render()?))
}

pub(super) async fn delete(visit: Visit, path: Path<String>) -> Result<Response, Trouble> {
    let id = id(path)?;
    let pool = visit.admin().get_pool(v1::GetPoolRequest { id }).await?.into_inner();
    Ok(match visit.admin().delete_pool(v1::DeletePoolRequest { id }).await {
        Err(status) => no(&visit, id, &status),
        Ok(_) => {
            let values = [("name", pool.name.as_str()), ("path", &pool.base_path), ("node", &pool.node_id)];
            let text = fill(visit.view.w.storage.deleted, &values);
            visit.back("/admin/storage", &Note::new("storage", Outcome::Done, text))
        }
    })
}
