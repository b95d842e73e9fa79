//! The pool form: a new pool, or one that is changed. What is refused comes back with what was typed, each finding at
//! its field; doubts can be saved over.

use askama::Template;
use axum::{
    extract::Path,
    response::{Html, IntoResponse as _, Response},
};
use http::StatusCode;
use pixelfox_proto::v1;
use tonic::{Code, Status};

use super::{
    actions::{UPLOAD_API_URL, note_way},
    id,
    refused::{Found, Weight, found, of_wire},
    typed::{fields_of, read},
};
use crate::{
    trouble::{Trouble, sentence},
    view::View,
    visit::{Fields, Note, Outcome, Visit},
    words::{Storage, fill},
};

#[derive(Template)]
#[template(path = "pool_form.html")]
struct FormPage<'a> {
    v: &'a View,
    title: String,
    action: String,
    id: u64,
    revision: u64,
    /// Groups of fields with their headings.
    groups: Vec<(&'static str, Vec<Field>)>,
    said: Vec<Said>,
    save_anyway: bool,
    nodes: Vec<String>,
    legacy_pool_id: String,
}

/// A sentence above the buttons.
struct Said {
    class: &'static str,
    text: String,
}

/// A field as it is shown.
struct Field {
    name: &'static str,
    label: &'static str,
    help: String,
    value: String,
    input: Input,
    found: Vec<Found>,
    saved_now: Option<String>,
}

enum Input {
    Text,
    Url,
    Node,
    Short,
    Long,
    Tick,
    Choice(Vec<(&'static str, &'static str)>),
}

impl Field {
    fn is_wrong(&self) -> bool {
        self.found.iter().any(|found| found.weight > Weight::Hint)
    }

    /// Ids of what describes the field.
    fn described_by(&self) -> String {
        format!("{0}-help {0}-found", self.name)
    }

    fn is_ticked(&self) -> bool {
        !self.value.is_empty()
    }
}

/// Names of the fields, in the order of the form.
const FIELDS: [&str; 13] = [
    "name",
    "description",
    "node_id",
    "base_path",
    "storage_type",
    "upload_api_url",
    "public_base_url",
    "storage_tier",
    "priority",
    "max_size",
    "is_active",
    "is_default",
    "legacy_node",
];

/// Of a new pool, as everywhere else: there is room below it for those that come first.
const PRIORITY: i32 = 10;

pub(super) async fn new(visit: Visit) -> Result<Html<String>, Trouble> {
    let pool = v1::Pool { is_active: true, priority: PRIORITY, ..v1::Pool::default() };
    let form = Form::of_pool(&visit, 0, &pool, fields_of(&pool));
    Ok(Html(form.render(&visit).await?))
}

pub(super) async fn edit(visit: Visit, path: Path<String>) -> Result<Html<String>, Trouble> {
    let id = id(path)?;
    let pool = visit.admin().get_pool(v1::GetPoolRequest { id }).await?.into_inner();
    let form = Form::of_pool(&visit, id, &pool, fields_of(&pool));
    Ok(Html(form.render(&visit).await?))
}

pub(super) async fn create(visit: Visit, fields: Fields) -> Result<Response, Trouble> {
    submit(visit, 0, fields).await
}

pub(super) async fn save(visit: Visit, path: Path<String>, fields: Fields) -> Result<Response, Trouble> {
    let id = id(path)?;
    submit(visit, id, fields).await
}

async fn submit(visit: Visit, id: u64, fields: Fields) -> Result<Response, Trouble> {
    let w = &visit.view.w.storage;
    let pool = match read(w, id, &fields) {
        Ok(pool) => pool,
        Err(found) => return refuse(&visit, id, fields, found, StatusCode::BAD_REQUEST).await,
    };
    if fields.has("check") {
        return look(&visit, id, fields, pool).await;
    }
    let save_anyway = fields.has("save_anyway");
    let saved = if id == 0 {
        visit.admin().create_pool(v1::CreatePoolRequest { pool: Some(pool), save_anyway }).await
    } else {
        let expected_revision = fields.text("revision").parse().unwrap_or(0);
        // Every field is named, so that one that was emptied is meant to be empty.
        let paths = FIELDS.iter().chain(&["legacy_pool_id"]).map(ToString::to_string).collect();
        let update_mask = Some(prost_types::FieldMask { paths });
        let request = v1::UpdatePoolRequest { pool: Some(pool), expected_revision, save_anyway, update_mask };
        visit.admin().update_pool(request).await
    };
    match saved {
        Ok(pool) => {
            let pool = pool.into_inner();
            let text = if id == 0 { fill(w.created, &[("name", &pool.name)]) } else { w.saved.to_owned() };
            let key = format!("pool-{}", pool.id);
            Ok(visit.back(&format!("/admin/storage#{key}"), &Note::new(&key, Outcome::Done, text)))
        }
        Err(status) if status.code() == Code::NotFound && id != 0 => gone(&visit, fields, &status).await,
        Err(status) => {
            let code = Trouble::from(status.clone()).status;
            refuse(&visit, id, fields, found(&status), code).await
        }
    }
}

/// What saving would meet with; nothing is saved.
async fn look(visit: &Visit, id: u64, fields: Fields, pool: v1::Pool) -> Result<Response, Trouble> {
    let url = pool.upload_api_url.clone();
    let (code, found) = match visit.admin().check_pool_draft(v1::CheckPoolDraftRequest { pool: Some(pool) }).await {
        Ok(found) => {
            let found = found.into_inner().findings;
            if let Some(way) = found.iter().filter(|it| it.check == UPLOAD_API_URL).max_by_key(|it| it.status()) {
                let saved = visit.admin().get_pool(v1::GetPoolRequest { id }).await.map(tonic::Response::into_inner);
                // Of a URL that is only typed the table says nothing.
                if saved.is_ok_and(|saved| saved.upload_api_url == url) {
                    note_way(visit, id, url, way);
                }
            }
            (StatusCode::OK, found.into_iter().map(of_wire).collect())
        }
        Err(status) if status.code() == Code::NotFound && id != 0 => return gone(visit, fields, &status).await,
        Err(status) => (Trouble::from(status.clone()).status, found(&status)),
    };
    let revision = fields.text("revision").parse().unwrap_or(0);
    let title = title(visit, id, fields.text("name"));
    let form = Form { id, revision, title, fields, found, now: None, only_looked: true };
    Ok((code, Html(form.render(visit).await?)).into_response())
}

/// The pool was deleted meanwhile: what was typed stands in the form of a new one.
async fn gone(visit: &Visit, fields: Fields, status: &Status) -> Result<Response, Trouble> {
    let text = fill(visit.view.w.storage.gone_meanwhile, &[("why", &sentence(status))]);
    let found = vec![Found { field: String::new(), text, weight: Weight::Error }];
    refuse(visit, 0, fields, found, StatusCode::NOT_FOUND).await
}

/// The form once more, with what was typed.
async fn refuse(
    visit: &Visit,
    id: u64,
    fields: Fields,
    found: Vec<Found>,
    status: StatusCode,
) -> Result<Response, Trouble> {
    let now = match id {
        0 => None,
        id => match visit.admin().get_pool(v1::GetPoolRequest { id }).await {
            Ok(pool) => Some(pool.into_inner()),
            Err(status) if status.code() == Code::NotFound => {
                return Box::pin(gone(visit, fields, &status)).await;
            }
            Err(status) => return Err(status.into()),
        },
    };
    let revision = fields.text("revision").parse().unwrap_or(0);
    let changed = now.filter(|now| now.revision != revision && revision != 0);
    let mut form = Form {
        id,
        revision,
        title: title(visit, id, fields.text("name")),
        fields,
        found,
        now: None,
        only_looked: false,
    };
    if let Some(now) = changed {
        form.revision = now.revision;
        form.found.retain(|found| !found.field.is_empty());
        form.now = Some(fields_of(&now));
    }
    Ok((status, Html(form.render(visit).await?)).into_response())
}

/// A form on its way to the reader.
struct Form {
    id: u64,
    revision: u64,
    title: String,
    fields: Fields,
    found: Vec<Found>,
    /// What is saved now, where somebody else was first.
    now: Option<Fields>,
    /// Nobody wanted to save yet.
    only_looked: bool,
}

fn title(visit: &Visit, id: u64, name: &str) -> String {
    let w = &visit.view.w.storage;
    if id == 0 { w.new_pool.to_owned() } else { fill(w.edit_title, &[("name", name)]) }
}

impl Form {
    fn of_pool(visit: &Visit, id: u64, pool: &v1::Pool, fields: Fields) -> Self {
        let title = title(visit, id, &pool.name);
        Self { id, revision: pool.revision, title, fields, found: Vec::new(), now: None, only_looked: false }
    }

    async fn render(self, visit: &Visit) -> Result<String, Trouble> {
        let (v, w) = (&visit.view, &visit.view.w.storage);
        let nodes = visit.admin().list_nodes(v1::ListNodesRequest {}).await?.into_inner().nodes;
        let nodes: Vec<String> = nodes.into_iter().map(|node| node.node_id).collect();
        let heaviest = self.found.iter().map(|found| found.weight).max();
        let mut said: Vec<Said> = Vec::new();
        if self.now.is_some() {
            said.push(Said { class: "warn", text: w.changed_meanwhile.to_owned() });
        }
        for found in self.found.iter().filter(|found| !FIELDS.contains(&found.field.as_str())) {
            said.push(Said { class: found.weight.class(), text: found.text.clone() });
        }
        let of_fields = self.found.iter().any(|found| FIELDS.contains(&found.field.as_str()));
        match heaviest {
            Some(Weight::Error) if self.only_looked => {
                said.push(Said { class: "bad", text: w.checked_errors.to_owned() });
            }
            Some(Weight::Doubt) if self.only_looked => {
                said.push(Said { class: "warn", text: w.checked_doubts.to_owned() });
            }
            _ if self.only_looked => said.push(Said { class: "good", text: w.checked_fine.to_owned() }),
            Some(Weight::Error) if of_fields => said.push(Said { class: "bad", text: w.not_saved_errors.to_owned() }),
            Some(Weight::Doubt) => said.push(Said { class: "warn", text: w.not_saved_doubts.to_owned() }),
            _ => {}
        }
        let page = FormPage {
            v,
            action: if self.id == 0 { "/admin/storage".into() } else { format!("/admin/storage/{}", self.id) },
            id: self.id,
            revision: self.revision,
            groups: self.groups(w, &nodes),
            said,
            save_anyway: heaviest == Some(Weight::Doubt),
            nodes,
            legacy_pool_id: self.fields.text("legacy_pool_id").to_owned(),
            title: self.title,
        };
        Ok(page.render()?)
    }

    fn groups(&self, w: &'static Storage, nodes: &[String]) -> Vec<(&'static str, Vec<Field>)> {
        let field = |name, label, help: &str, input| self.field(w, name, label, help.to_owned(), input);
        let tiers = [("hot", w.last_hot), ("warm", w.last_warm), ("cold", w.last_cold), ("archive", w.last_archive)];
        let known = nodes.join(", ");
        let node_help =
            if nodes.is_empty() { w.node_help_none.to_owned() } else { fill(w.node_help, &[("nodes", &known)]) };
        let legacy =
            !self.fields.text("legacy_node").is_empty() || self.found.iter().any(|it| it.field == "legacy_node");
        let legacy = legacy.then(|| field("legacy_node", w.legacy_node, "", Input::Tick));
        vec![
            (
                "",
                vec![
                    field("name", w.name, w.name_help, Input::Text),
                    field("description", w.description, "", Input::Long),
                ],
            ),
            (
                w.place,
                vec![
                    field("node_id", w.node_id, &node_help, Input::Node),
                    field("base_path", w.base_path, w.base_path_help, Input::Text),
                    field("storage_type", w.storage_type, "", Input::Choice(vec![("local", w.local), ("nfs", w.nfs)])),
                ],
            ),
            (
                w.urls,
                vec![
                    field("upload_api_url", w.upload_url, w.upload_help, Input::Url),
                    field("public_base_url", w.public_url, w.public_help, Input::Url),
                ]
                .into_iter()
                .chain(legacy)
                .collect(),
            ),
            (
                w.rules,
                vec![
                    field("storage_tier", w.storage_tier, w.tier_help, Input::Choice(tiers.to_vec())),
                    field("priority", w.priority, w.priority_help, Input::Short),
                    field("max_size", w.max_size, w.max_size_help, Input::Short),
                    field("is_active", w.is_active, w.active_help, Input::Tick),
                    field("is_default", w.is_default, w.default_help, Input::Tick),
                ],
            ),
        ]
    }

    fn field(&self, w: &'static Storage, name: &'static str, label: &'static str, help: String, input: Input) -> Field {
        let value = self.fields.text(name).to_owned();
        let now = self.now.as_ref().map(|now| now.text(name)).filter(|now| *now != value);
        let saved_now = now.map(|now| {
            let shown = match (&input, now) {
                (Input::Tick, "") => w.no,
                (Input::Tick, _) => w.yes,
                (_, "") => w.empty_value,
                (_, now) => now,
            };
            fill(w.saved_now, &[("value", shown)])
        });
        let found = self.found.iter().filter(|found| found.field == name).cloned().collect();
        Field { name, label, help, value, input, found, saved_now }
    }
}
