//! `/admin/audit`: who changed what.

use askama::Template;
use axum::{
    extract::Query,
    response::{Html, IntoResponse as _, Response},
};
use pixelfox_proto::v1;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{show::Exact, trouble::Trouble, view::View, visit::Visit};

/// Rows of a page.
const ROWS: u32 = 50;

/// Which rows, as the address says it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Asked {
    actor: String,
    action: String,
    subject: String,
    page: String,
}

#[derive(Template)]
#[template(path = "audit.html")]
struct Audit<'a> {
    v: &'a View,
    filters: [(&'static str, &'static str, &'a str); 3],
    filtered: bool,
    entries: Vec<Entry>,
    first: bool,
    newest: String,
    older: Option<String>,
}

/// A row.
struct Entry {
    at: Option<Exact>,
    actor: String,
    action: String,
    subject: String,
    detail: String,
    changes: Vec<Change>,
}

/// A field before and after.
#[derive(Debug, PartialEq, Eq)]
struct Change {
    field: String,
    was: Option<String>,
    became: Option<String>,
}

pub(crate) async fn page(visit: Visit, Query(asked): Query<Asked>) -> Result<Response, Trouble> {
    let (v, w) = (&visit.view, &visit.view.w.audit);
    let word = |text: &str| text.trim().to_owned();
    let request = v1::ListAuditRequest {
        actor: word(&asked.actor),
        action: word(&asked.action),
        subject: word(&asked.subject),
        page_size: ROWS,
        page_token: asked.page.clone(),
        ..v1::ListAuditRequest::default()
    };
    let list = visit.admin().list_audit(request).await?.into_inner();
    let entry = |entry: v1::AuditEntry| Entry {
        at: v.show.at(entry.at.as_ref()),
        changes: changes(&entry.was, &entry.became),
        actor: entry.actor,
        action: entry.action,
        subject: entry.subject,
        detail: entry.detail,
    };
    let page = Audit {
        v,
        filters: [
            ("actor", w.actor, &asked.actor),
            ("action", w.action, &asked.action),
            ("subject", w.subject, &asked.subject),
        ],
        filtered: [&asked.actor, &asked.action, &asked.subject].iter().any(|text| !text.trim().is_empty()),
        entries: list.entries.into_iter().map(entry).collect(),
        first: asked.page.is_empty(),
        newest: address(&asked, ""),
        older: Some(list.next_page_token).filter(|token| !token.is_empty()).map(|token| address(&asked, &token)),
    };
    Ok(Html(page.render()?).into_response())
}

/// The address of a page of the same rows.
fn address(asked: &Asked, page: &str) -> String {
    let pairs = [("actor", &*asked.actor), ("action", &asked.action), ("subject", &asked.subject), ("page", page)];
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(pairs.iter().filter(|(_, value)| !value.trim().is_empty()));
    format!("/admin/audit?{}", query.finish())
}

/// Two JSON objects side by side, field by field.
fn changes(was: &str, became: &str) -> Vec<Change> {
    let fields = |text: &str| serde_json::from_str::<Map<String, Value>>(text).unwrap_or_default();
    let (mut was, became) = (fields(was), fields(became));
    let shown = |value: Value| match value {
        Value::String(text) => text,
        other => other.to_string(),
    };
    let mut all: Vec<Change> = became
        .into_iter()
        .map(|(field, value)| Change { was: was.remove(&field).map(shown), became: Some(shown(value)), field })
        .collect();
    all.extend(was.into_iter().map(|(field, value)| Change { field, was: Some(shown(value)), became: None }));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn before_and_after_stand_side_by_side() {
        let change = |field: &str, was: Option<&str>, became: Option<&str>| Change {
            field: field.into(),
            was: was.map(str::to_owned),
            became: became.map(str::to_owned),
        };
        let both = changes(r#"{"a":1,"gone":"x"}"#, r#"{"a":2,"new":true}"#);
        let want =
            [change("a", Some("1"), Some("2")), change("new", None, Some("true")), change("gone", Some("x"), None)];
        assert_eq!(both, want);
        assert_eq!(changes("", "no json"), []);
    }
}
