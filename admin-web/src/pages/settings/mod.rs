//! `/admin/settings`: what holds on every node, and the API keys.

mod amount;
mod form;
mod keys;

use askama::Template;
use axum::{
    Router,
    response::{Html, IntoResponse as _, Response},
    routing::get,
};
use http::StatusCode;
use pixelfox_proto::v1;
use tonic::Code;

use self::{
    form::{Line, Section},
    keys::{Desk, Key},
};
use crate::{
    live, query,
    trouble::Trouble,
    view::View,
    visit::{Fields, Note, Outcome, Site, Visit},
    words::{Settings, fill},
};

pub(crate) fn router() -> Router<Site> {
    Router::new()
        .route("/admin/settings", get(|visit: Visit| live::page(visit, &["settings"], page)).post(save))
        .route("/admin/settings/keys", get(keys::back).post(keys::make))
        .route("/admin/settings/keys/{id}/revoke", get(keys::ask).post(keys::revoke))
}

#[derive(Template)]
#[template(path = "settings.html")]
struct Page<'a> {
    v: &'a View,
    w: &'static Settings,
    form: &'a [Section],
    faults: Vec<&'a Line>,
    /// Why nothing was saved, where it is no field's fault.
    why: &'a str,
    keys: Result<Vec<Key>, String>,
    desk: Desk,
    /// Whether a `GET` of this address shows the same page.
    live: bool,
}

async fn page(visit: Visit) -> Result<String, Trouble> {
    render(&visit, Desk::default()).await
}

/// The settings as they are.
async fn render(visit: &Visit, desk: Desk) -> Result<String, Trouble> {
    let chosen = query::fields(&visit.view.uri).text("units").to_owned();
    let settings = visit.admin().get_settings(v1::GetSettingsRequest {}).await?.into_inner();
    with_form(visit, &form::shown(&visit.view, &settings, &chosen), "", desk).await
}

async fn with_form(visit: &Visit, form: &[Section], why: &str, desk: Desk) -> Result<String, Trouble> {
    let v = &visit.view;
    let keys = keys::list(visit).await;
    let live = v.uri.path() == "/admin/settings";
    Ok(Page { v, w: &v.w.settings, form, faults: form::faults(form), why, keys, desk, live }.render()?)
}

async fn save(visit: Visit, fields: Fields) -> Result<Response, Trouble> {
    let (v, w) = (&visit.view, &visit.view.w.settings);
    let mut form = form::typed(v, &fields);
    let outcome = attempt(&visit, &fields, &mut form).await;
    let why = match outcome {
        Ok(said) if form::faults(&form).is_empty() => {
            let text = if said.is_empty() { w.nothing_new.to_owned() } else { fill(w.saved, &[("what", &said)]) };
            return Ok(visit.back(
                &format!("/admin/settings?units={}#save", form::units(&form)),
                &Note::new("save", Outcome::Done, text),
            ));
        }
        Ok(_) => (StatusCode::UNPROCESSABLE_ENTITY, String::new()),
        Err(trouble) => (trouble.status, fill(w.not_saved_because, &[("why", &trouble.message)])),
    };
    let html = with_form(&visit, &form, &why.1, Desk::default()).await?;
    Ok((why.0, Html(html)).into_response())
}

/// What was changed, in words; nothing where a line of the form has a fault now.
async fn attempt(visit: &Visit, fields: &Fields, form: &mut [Section]) -> Result<String, Trouble> {
    let mut admin = visit.admin();
    let now = admin.get_settings(v1::GetSettingsRequest {}).await?.into_inner();
    let change = form::change(&visit.view, form, fields, &now);
    if !form::faults(form).is_empty() || change.said.is_empty() {
        return Ok(String::new());
    }
    match admin.update_settings(v1::UpdateSettingsRequest { settings: Some(change.settings) }).await {
        Ok(_) => Ok(change.said.join("; ")),
        Err(status) if status.code() == Code::InvalidArgument && form::refused(form, status.message()) => {
            Ok(String::new())
        }
        Err(status) => Err(status.into()),
    }
}
