//! `/admin/audit`: who changed what.

use std::borrow::Cow;

use askama::Template;
use pixelfox_proto::v1;
use serde_json::{Map, Value};

use crate::{query, show::Exact, trouble::Trouble, view::View, visit::Visit, words::Audit};

/// Rows of a page.
const ROWS: u32 = 50;

/// Which rows, as the address says it.
#[derive(Debug)]
struct Asked {
    actor: String,
    action: String,
    subject: String,
    page: String,
}

#[derive(Template)]
#[template(path = "audit.html")]
struct AuditPage<'a> {
    v: &'a View,
    actors: Vec<Choice>,
    actions: Vec<Choice>,
    subject: &'a str,
    filtered: bool,
    entries: Vec<Entry>,
    first: bool,
    newest: String,
    older: Option<String>,
}

/// What a filter can be set to.
#[derive(Debug, PartialEq, Eq)]
struct Choice {
    value: String,
    word: String,
    chosen: bool,
}

/// A row.
struct Entry {
    id: u64,
    at: Option<Exact>,
    actor: String,
    action: String,
    subject: String,
    /// Where the subject is shown; empty: nowhere.
    place: String,
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

pub(crate) async fn page(visit: Visit) -> Result<String, Trouble> {
    let fields = query::fields(&visit.view.uri);
    let asked = |name| fields.all(name).next().unwrap_or_default().to_owned();
    let asked =
        Asked { actor: asked("actor"), action: asked("action"), subject: asked("subject"), page: asked("page") };
    let (v, w) = (&visit.view, &visit.view.w.audit);
    let word = |text: &str| text.trim().to_owned();
    let request = v1::ListAuditRequest {
        actor: word(&asked.actor),
        action: word(&asked.action),
        subject: asked_subject(w, asked.subject.trim()).to_owned(),
        page_size: ROWS,
        page_token: asked.page.clone(),
        ..v1::ListAuditRequest::default()
    };
    let list = visit.admin().list_audit(request).await?.into_inner();
    let entry = |entry: v1::AuditEntry| Entry {
        id: entry.id,
        at: v.show.at(entry.at.as_ref()),
        changes: changes(v, &entry.was, &entry.became),
        place: place(&entry.action, &entry.subject),
        actor: actor(w, &entry.actor).to_owned(),
        detail: match entry.action.as_str() {
            action if is_of_a_pool(action) => String::new(),
            "create_api_key" | "revoke_api_key" => entry.detail.clone(), // a name that somebody gave
            _ => v.show.said(&entry.detail),
        },
        subject: match entry.action.as_str() {
            "verify_images" => v.show.said(&entry.subject),
            // by its name, as everywhere
            action if is_of_a_pool(action) && !entry.detail.is_empty() => {
                format!("{} ({})", entry.detail, entry.subject)
            }
            _ => subject(w, entry.subject),
        },
        action: action(w, &entry.action).to_owned(),
    };
    let mut actors: Vec<String> = OTHERS.iter().map(ToString::to_string).collect();
    actors.extend(list.entries.iter().map(|entry| entry.actor.clone()));
    let actions = ACTIONS.iter().map(ToString::to_string).collect();
    let page = AuditPage {
        v,
        actors: choices(actors, asked.actor.trim(), |name| actor(w, name)),
        actions: choices(actions, asked.action.trim(), |name| action(w, name)),
        subject: asked.subject.trim(),
        filtered: [&asked.actor, &asked.action, &asked.subject].iter().any(|text| !text.trim().is_empty()),
        entries: list.entries.into_iter().map(entry).collect(),
        first: asked.page.is_empty(),
        newest: address(&asked, ""),
        older: Some(list.next_page_token).filter(|token| !token.is_empty()).map(|token| address(&asked, &token)),
    };
    Ok(page.render()?)
}

/// Who is no account. Source: admin.proto, ListAuditRequest.
const OTHERS: [&str; 3] = ["token", "console", "server"];

/// Every action that the server notes.
const ACTIONS: [&str; 25] = [
    "cancel_jobs",
    "create_account",
    "create_api_key",
    "create_pool",
    "delete_images",
    "delete_pool",
    "move_images",
    "move_pool",
    "pause_jobs",
    "pause_queue",
    "recalculate_usage",
    "replace_pool_disk",
    "resume_jobs",
    "resume_queue",
    "retry_jobs",
    "revoke_api_key",
    "set_password",
    "sign_in",
    "sign_in_failed",
    "sign_out",
    "stale_copy",
    "undo_moves",
    "update_pool",
    "update_settings",
    "verify_images",
];

/// As people call an action; one of a newer server is shown as it is called there.
fn action<'a>(w: &Audit, name: &'a str) -> &'a str {
    match name {
        "cancel_jobs" => w.cancel_jobs,
        "create_account" => w.create_account,
        "create_api_key" => w.create_api_key,
        "create_pool" => w.create_pool,
        "delete_images" => w.delete_images,
        "delete_pool" => w.delete_pool,
        "move_images" => w.move_images,
        "move_pool" => w.move_pool,
        "pause_jobs" => w.pause_jobs,
        "pause_queue" => w.pause_queue,
        "recalculate_usage" => w.recalculate_usage,
        "replace_pool_disk" => w.replace_pool_disk,
        "resume_jobs" => w.resume_jobs,
        "resume_queue" => w.resume_queue,
        "retry_jobs" => w.retry_jobs,
        "revoke_api_key" => w.revoke_api_key,
        "set_password" => w.set_password,
        "sign_in" => w.sign_in,
        "sign_in_failed" => w.sign_in_failed,
        "sign_out" => w.sign_out,
        "stale_copy" => w.stale_copy,
        "undo_moves" => w.undo_moves,
        "update_pool" => w.update_pool,
        "update_settings" => w.update_settings,
        "verify_images" => w.verify_images,
        other => other,
    }
}

/// Whether an action is about a pool: its subject is the number, its detail the name.
fn is_of_a_pool(action: &str) -> bool {
    matches!(action, "create_pool" | "update_pool" | "delete_pool" | "recalculate_usage")
}

/// What there is once, and keys, as people call them; ids and names as they are.
fn subject(w: &Audit, name: String) -> String {
    match (name.as_str(), name.strip_prefix("api key ")) {
        (_, Some(id)) => format!("{} {id}", w.api_key),
        ("queue", _) => w.queue.to_owned(),
        ("jobs", _) => w.jobs.to_owned(),
        ("settings", _) => w.settings.to_owned(),
        _ => name,
    }
}

/// The same backwards, for who looks for what the page says.
fn asked_subject<'a>(w: &Audit, typed: &'a str) -> &'a str {
    let once = [(w.queue, "queue"), (w.jobs, "jobs"), (w.settings, "settings")];
    once.iter().find(|(word, _)| word.to_lowercase() == typed.to_lowercase()).map_or(typed, |(_, name)| *name)
}

/// The label of a field, as its form has it.
fn field<'a>(v: &View, name: &'a str) -> Cow<'a, str> {
    let (w, pool, settings) = (&v.w.audit, &v.w.storage, &v.w.settings);
    let label = match name {
        "name" => pool.name,
        "node_id" => pool.node_id,
        "base_path" => pool.base_path,
        "upload_api_url" => pool.upload_url,
        "public_base_url" => pool.public_url,
        "max_size" => pool.max_size,
        "is_active" => pool.is_active,
        "is_default" => pool.is_default,
        "priority" => pool.priority,
        "storage_type" => pool.storage_type,
        "storage_tier" => pool.storage_tier,
        "description" => pool.description,
        "direct_upload_enabled" => settings.direct_upload_enabled,
        "replication_require_checksum" => settings.replication_require_checksum,
        "upload_max_bytes" => settings.upload_max_bytes,
        "upload_rate_limit_per_ip" => settings.upload_rate_limit_per_ip,
        "upload_rate_limit_per_user" => settings.upload_rate_limit_per_user,
        "public_uploads" => settings.public_uploads,
        "move_bandwidth_per_node" => settings.move_bandwidth_per_node,
        "move_slots_per_node" => settings.move_slots_per_node,
        "trash_hours" => settings.trash_hours,
        "reserve_bytes" => settings.reserve_bytes,
        "legacy_pool_id" => w.legacy_pool_id,
        "legacy_node" => w.legacy_node,
        "revision" => w.revision,
        "paused" => w.paused,
        "images" => w.images,
        "used_bytes" => w.used_bytes,
        "used_files" => w.used_files,
        "reserved_bytes" => w.reserved_bytes,
        "trash_bytes" => w.trash_bytes,
        "trash_files" => w.trash_files,
        other => return Cow::Borrowed(other),
    };
    Cow::Owned(label.to_owned())
}

fn actor<'a>(w: &Audit, name: &'a str) -> &'a str {
    match name {
        "token" => w.token,
        "server" => w.server,
        "console" => w.console,
        account => account,
    }
}

/// All of them by their words, each once, with what is chosen now among them.
fn choices(mut values: Vec<String>, chosen: &str, word: impl Fn(&str) -> &str) -> Vec<Choice> {
    values.push(chosen.to_owned());
    values.retain(|value| !value.is_empty());
    values.sort_unstable();
    values.dedup();
    let choice = |value: String| Choice { word: word(&value).to_owned(), chosen: value == chosen, value };
    let mut all: Vec<Choice> = values.into_iter().map(choice).collect();
    all.sort_by_key(|choice| choice.word.to_lowercase());
    all
}

/// The page of what an entry is about.
fn place(action: &str, subject: &str) -> String {
    if subject.is_empty() || !subject.bytes().all(|byte| byte.is_ascii_digit()) {
        return String::new();
    }
    match action {
        "create_pool" | "update_pool" | "recalculate_usage" => format!("/admin/storage#pool-{subject}"),
        "move_images" | "move_pool" | "undo_moves" | "delete_images" => format!("/admin/queues/{subject}"),
        _ => String::new(),
    }
}

/// The address of a page of the same rows.
fn address(asked: &Asked, page: &str) -> String {
    let pairs = [("actor", &*asked.actor), ("action", &asked.action), ("subject", &asked.subject), ("page", page)];
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(pairs.iter().filter(|(_, value)| !value.trim().is_empty()));
    format!("/admin/audit?{}", query.finish())
}

/// Two JSON objects side by side, field by field; what is the same in both is left out.
fn changes(v: &View, was: &str, became: &str) -> Vec<Change> {
    let w = &v.w.audit;
    let fields = |text: &str| serde_json::from_str::<Map<String, Value>>(text).unwrap_or_default();
    let (mut was, became) = (fields(was), fields(became));
    let shown = |field: &str, value: Value| match value {
        Value::Number(number) if is_bytes(field) || field == "move_bandwidth_per_node" => {
            let rate = if is_bytes(field) { "" } else { "/s" };
            number.as_u64().map_or_else(|| number.to_string(), |bytes| v.show.limit(bytes).short + rate)
        }
        Value::String(text) if text.is_empty() => w.empty_value.to_owned(),
        Value::String(text) => text,
        Value::Bool(true) => w.yes.to_owned(),
        Value::Bool(false) => w.no.to_owned(),
        Value::Null => "-".to_owned(),
        other => other.to_string(),
    };
    let mut all: Vec<Change> = became
        .into_iter()
        .map(|(name, value)| {
            let was = was.remove(&name).map(|value| shown(&name, value));
            Change { was, became: Some(shown(&name, value)), field: field(v, &name).into_owned() }
        })
        .collect();
    // Of what is new only what is there: empty, off and 0 is how everything begins.
    let begins = [w.empty_value, w.no, "-", "0", "0\u{a0}B"];
    all.retain(|change| match (&change.was, &change.became) {
        (None, Some(became)) => !begins.contains(&became.as_str()),
        (was, became) => was != became,
    });
    all.extend(was.into_iter().map(|(name, value)| Change {
        was: Some(shown(&name, value)),
        became: None,
        field: field(v, &name).into_owned(),
    }));
    all
}

/// Whether a field counts bytes.
fn is_bytes(field: &str) -> bool {
    field.ends_with("_size") || field.ends_with("_bytes")
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
        let (parts, ()) = http::Request::get("/admin/audit").body(()).unwrap().into_parts();
        let v = View::of(&parts);
        let both = changes(
            &v,
            r#"{"a":1,"gone":"x","same":3,"max_size":1000000,"move_bandwidth_per_node":1000000}"#,
            r#"{"a":2,"new":true,"same":3,"max_size":2000000,"move_bandwidth_per_node":50000000,"is_default":false,"priority":0,"description":""}"#,
        );
        let want = [
            change("a", Some("1"), Some("2")),
            change("Maximale Größe", Some("1,00\u{a0}MB"), Some("2,00\u{a0}MB")),
            change("Bandbreite fürs Verschieben, je Knoten", Some("1,00\u{a0}MB/s"), Some("50,0\u{a0}MB/s")),
            change("new", None, Some("ja")),
            change("gone", Some("x"), None),
        ];
        assert_eq!(both, want);
        assert_eq!(changes(&v, "", "no json"), []);
    }

    #[test]
    fn every_action_has_a_word_in_both_languages() {
        for name in ACTIONS {
            let (de, en) = (action(&Audit::DE, name), action(&Audit::EN, name));
            assert!(de != name && en != name && de != en, "{name}");
        }
        assert_eq!(action(&Audit::DE, "of_a_newer_server"), "of_a_newer_server");
    }

    #[test]
    fn every_field_of_the_books_has_a_label_and_what_there_is_once_is_found_by_its_word() {
        // As the server notes them. Source: PoolDraft, Settings and PoolUsage of the server.
        let (parts, ()) = http::Request::get("/admin/audit").body(()).unwrap().into_parts();
        let v = View::of(&parts);
        for name in [
            "name",
            "node_id",
            "base_path",
            "max_size",
            "is_default",
            "legacy_node",
            "trash_hours",
            "revision",
            "paused",
        ] {
            assert_ne!(field(&v, name), name);
        }
        assert_eq!(field(&v, "of_a_newer_server"), "of_a_newer_server");
        for name in ["queue", "jobs", "settings", "7", "api key"] {
            assert_eq!(asked_subject(&Audit::DE, &subject(&Audit::DE, name.to_owned())), name);
        }
        assert_eq!(subject(&Audit::DE, "api key 7".to_owned()), "API-Schlüssel 7");
    }

    #[test]
    fn what_is_chosen_is_among_the_choices() {
        let all = choices(OTHERS.iter().map(ToString::to_string).collect(), "anna", |name| actor(&Audit::DE, name));
        let chosen: Vec<&str> = all.iter().filter(|it| it.chosen).map(|it| it.value.as_str()).collect();
        assert_eq!((chosen, all.len()), (vec!["anna"], 4));
    }
}
