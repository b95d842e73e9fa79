//! API keys: listed, made and shown once, revoked after a question.

use askama::Template;
use axum::{
    extract::Path,
    response::{Html, IntoResponse as _, Redirect, Response},
};
use http::StatusCode;
use pixelfox_proto::v1;
use tonic::Code;

use crate::{
    show::Exact,
    trouble::{Trouble, sentence},
    view::View,
    visit::{Fields, Note, Outcome, Visit},
    words::{Settings, fill},
};

/// Where the keys are.
const HERE: &str = "/admin/settings#keys";
/// Characters of a name at most, as the service has it.
const NAME: usize = 100;

/// A row of the table.
pub(super) struct Key {
    pub(super) id: u64,
    pub(super) name: String,
    pub(super) label: String,
    pub(super) made: Option<Exact>,
    pub(super) used: Option<Exact>,
}

/// Where a key is made: what was typed and what came of it.
#[derive(Default)]
pub(super) struct Desk {
    pub(super) name: String,
    pub(super) fault: String,
    /// The key, this one time, and what is said about it.
    pub(super) made: Option<(String, String)>,
}

#[derive(Template)]
#[template(path = "revoke_key.html")]
struct Ask<'a> {
    v: &'a View,
    w: &'static Settings,
    key: Key,
    title: String,
}

/// All keys, or why they can't be shown.
pub(super) async fn list(visit: &Visit) -> Result<Vec<Key>, String> {
    let v = &visit.view;
    let w = &v.w.settings;
    let key = |key: v1::ApiKey| Key {
        id: key.id,
        label: fill(w.revoke_one, &[("name", &key.name)]),
        made: v.show.at(key.created.as_ref()),
        used: v.show.at(key.last_used.as_ref()),
        name: key.name,
    };
    match visit.admin().list_api_keys(v1::ListApiKeysRequest {}).await {
        Ok(list) => Ok(list.into_inner().keys.into_iter().map(key).collect()),
        Err(status) => Err(fill(w.keys_unknown, &[("why", status.message())])),
    }
}

/// The address of the form alone: the page that it is on.
pub(super) async fn back() -> Redirect {
    Redirect::to(HERE)
}

/// The answer itself shows the key: it must not lie in a cookie or an address.
pub(super) async fn make(mut visit: Visit, fields: Fields) -> Result<Response, Trouble> {
    let w = &visit.view.w.settings;
    let name = fields.text("name").to_owned();
    let mut desk = Desk { fault: name_fault(w, &name), ..Desk::default() };
    let mut status = StatusCode::UNPROCESSABLE_ENTITY;
    if desk.fault.is_empty() {
        match visit.admin().create_api_key(v1::CreateApiKeyRequest { name: name.clone() }).await {
            Ok(answer) => {
                let key = answer.into_inner();
                visit.view.posted = None; // sent again it would be another key
                desk.made = Some((key.key, fill(w.made, &[("name", &key.name)])));
                status = StatusCode::OK;
            }
            Err(refusal) => {
                let said = refusal.message();
                said.strip_prefix("name: ").unwrap_or(said).clone_into(&mut desk.fault);
                status = Trouble::from(refusal).status;
            }
        }
    }
    if desk.made.is_none() {
        desk.name = name;
    }
    Ok((status, Html(super::render(&visit, desk).await?)).into_response())
}

fn name_fault(w: &Settings, name: &str) -> String {
    let length = name.chars().count();
    if length == 0 {
        return w.name_missing.to_owned();
    }
    if length > NAME {
        return fill(w.name_long, &[("n", &length.to_string())]);
    }
    if name.chars().any(char::is_control) { w.name_control.to_owned() } else { String::new() }
}

pub(super) async fn ask(visit: Visit, Path(id): Path<String>) -> Result<Response, Trouble> {
    let (v, w) = (&visit.view, &visit.view.w.settings);
    let Some(key) = find(&visit, &id).await? else { return Ok(gone(&visit)) };
    let title = fill(w.revoke_ask, &[("name", &key.name)]);
    Ok(Html(Ask { v, w, key, title }.render()?).into_response())
}

pub(super) async fn revoke(visit: Visit, Path(id): Path<String>) -> Result<Response, Trouble> {
    let w = &visit.view.w.settings;
    let Some(key) = find(&visit, &id).await? else { return Ok(gone(&visit)) };
    match visit.admin().revoke_api_key(v1::RevokeApiKeyRequest { id: key.id }).await {
        Ok(_) => {
            let text = fill(w.revoked, &[("name", &key.name)]);
            Ok(visit.back(HERE, &Note::new("keys", Outcome::Done, text)))
        }
        Err(status) if status.code() == Code::NotFound => Ok(gone(&visit)),
        Err(status) => Ok(visit.back(HERE, &Note::new("keys", Outcome::Refused, sentence(&status)))),
    }
}

async fn find(visit: &Visit, id: &str) -> Result<Option<Key>, Trouble> {
    let id: u64 = id.parse().map_err(|_| Trouble::no_page())?;
    let unreadable = |message| Trouble { status: StatusCode::SERVICE_UNAVAILABLE, message };
    Ok(list(visit).await.map_err(unreadable)?.into_iter().find(|key| key.id == id))
}

fn gone(visit: &Visit) -> Response {
    visit.back(HERE, &Note::new("keys", Outcome::Refused, visit.view.w.settings.gone))
}
