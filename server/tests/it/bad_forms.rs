//! What nobody can mean, typed into every form of the pages: the answer is a page that says so at its field and keeps
//! what was typed, and nothing has changed.

use pixelfox_proto::v1::{
    DeletePoolRequest, GetPoolRequest, ListPoolsRequest, MoveImagesRequest, PauseQueueRequest, Pool,
};

use crate::{
    bad_input::books_in,
    harness::{TestCluster, png},
    reader::{Page, Reader, escaped},
};

const MARKUP: &str = "\"><script>evil()</script>";

/// What is typed.
fn values() -> [(&'static str, String); 8] {
    [
        ("empty", String::new()),
        ("too long", "x".repeat(5000)),
        ("negative", "-1".into()),
        ("markup", MARKUP.into()),
        ("outside", "/etc/pixelfox".into()),
        ("with a user", "http://user:word@127.0.0.1:1/x".into()),
        ("with a query", "http://127.0.0.1:1/x?y=z".into()),
        ("another scheme", "ftp://127.0.0.1/x".into()),
    ]
}

/// What a field can't be, so that nothing may be saved: everything, all but these, or these.
enum Never {
    Any,
    AllBut(&'static [&'static str]),
    These(&'static [&'static str]),
}

impl Never {
    fn is(&self, why: &str) -> bool {
        match self {
            Self::Any => true,
            Self::AllBut(fine) => !fine.contains(&why),
            Self::These(bad) => bad.contains(&why),
        }
    }
}

/// A form as it can be sent, and which values of which fields it never takes. `{uuid}` and `{revision}` are filled in.
struct Form {
    path: &'static str,
    fields: Vec<(&'static str, String)>,
    never: Vec<(&'static str, Never)>,
    /// Fields that are shown again with what was typed, marked.
    shown: &'static [&'static str],
}

impl Form {
    fn new(path: &'static str, fields: &[(&'static str, &str)]) -> Self {
        let fields = fields.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        Self { path, fields, never: Vec::new(), shown: &[] }
    }

    fn never(mut self, field: &'static str, never: Never) -> Self {
        self.never.push((field, never));
        self
    }

    fn takes(&self, field: &str, why: &str) -> bool {
        !self.never.iter().any(|(name, never)| *name == field && never.is(why))
    }
}

/// A pool's form, with everything that it never takes.
fn of_pool(path: &'static str, pool: &Pool) -> Form {
    let (upload, public) = (&pool.upload_api_url, &pool.public_base_url);
    let fields = [
        ("name", pool.name.as_str()),
        ("description", ""),
        ("node_id", "s01"),
        ("base_path", &pool.base_path),
        ("storage_type", "local"),
        ("upload_api_url", upload),
        ("public_base_url", public),
        ("storage_tier", "hot"),
        ("priority", "5"),
        ("max_size", "1 GB"),
        ("is_active", "1"),
        ("revision", "{revision}"),
        ("legacy_pool_id", "0"),
    ];
    let number = || Never::AllBut(&["empty", "negative"]);
    let mut form = Form::new(path, &fields)
        .never("name", Never::These(&["empty", "too long"]))
        .never("description", Never::These(&["too long"]))
        .never("node_id", Never::AllBut(&["negative"]))
        .never("base_path", Never::Any)
        .never("storage_type", Never::AllBut(&["empty"]))
        .never("upload_api_url", Never::Any)
        .never("public_base_url", Never::AllBut(&[]))
        .never("storage_tier", Never::AllBut(&["empty"]))
        .never("priority", number())
        .never("max_size", Never::AllBut(&["empty"]))
        .never("legacy_pool_id", Never::AllBut(&["empty"]));
    form.shown =
        &["name", "description", "node_id", "base_path", "upload_api_url", "public_base_url", "priority", "max_size"];
    form
}

const SETTINGS: [(&str, &str); 13] = [
    ("upload_max_bytes", "512"),
    ("unit.upload_max_bytes", "MiB"),
    ("was.upload_max_bytes", "536870912"),
    ("upload_rate_limit_per_ip", "60"),
    ("was.upload_rate_limit_per_ip", "60"),
    ("upload_rate_limit_per_user", "60"),
    ("move_bandwidth_per_node", "0"),
    ("unit.move_bandwidth_per_node", "MB"),
    ("move_slots_per_node", "4"),
    ("trash_hours", "24"),
    ("reserve_bytes", ""),
    ("unit.reserve_bytes", "GiB"),
    ("public_uploads", "1"),
];

fn of_settings() -> Form {
    let mut form = Form::new("/admin/settings", &SETTINGS);
    for field in ["upload_max_bytes", "move_bandwidth_per_node", "move_slots_per_node", "trash_hours"] {
        form = form.never(field, Never::Any);
    }
    form = form.never("upload_rate_limit_per_ip", Never::Any).never("upload_rate_limit_per_user", Never::Any);
    form = form.never("reserve_bytes", Never::AllBut(&["empty"])).never("unit.upload_max_bytes", Never::Any);
    form.shown = &[
        "upload_max_bytes",
        "upload_rate_limit_per_ip",
        "upload_rate_limit_per_user",
        "move_bandwidth_per_node",
        "move_slots_per_node",
        "trash_hours",
        "reserve_bytes",
    ];
    form
}

/// Every form that changes something.
fn forms(new: &Pool, old: &Pool) -> Vec<Form> {
    let mut key = Form::new("/admin/settings/keys", &[("name", "Blog")]);
    key = key.never("name", Never::These(&["empty", "too long"]));
    key.shown = &["name"];
    let mut move_pool =
        Form::new("/admin/storage/1/move", &[("target", "2"), ("limit", "1"), ("request_id", "of the form")]);
    move_pool = move_pool.never("target", Never::Any).never("limit", Never::AllBut(&["empty"]));
    move_pool.shown = &["limit"];
    let selected = [("uuid", "{uuid}"), ("target", "2"), ("do", "start"), ("back", "/admin"), ("request_id", "")];
    let changed = [
        ("do", "cancel"),
        ("sure", "1"),
        ("id", ""),
        ("state", "pending"),
        ("kind", ""),
        ("node", ""),
        ("pool", ""),
        ("image", ""),
        ("parent", ""),
        ("scope", ""),
        ("back", "/admin/queues"),
    ];
    let empty = || Never::AllBut(&["empty"]);
    let mut change = Form::new("/admin/queues/change", &changed).never("do", Never::Any);
    for field in ["id", "state", "kind", "node", "pool", "image", "parent"] {
        change = change.never(field, empty());
    }
    vec![
        of_pool("/admin/storage", new),
        of_pool("/admin/storage/2", old),
        of_settings(),
        key,
        move_pool,
        Form::new("/admin/images/selected", &selected).never("uuid", Never::Any).never("target", Never::Any),
        Form::new("/admin/images/move", &selected).never("uuid", Never::Any).never("target", Never::Any),
        Form::new("/admin/images/delete", &[("uuid", "{uuid}"), ("back", "/admin"), ("request_id", "")])
            .never("uuid", Never::Any),
        change,
    ]
}

/// A cluster with an image and a move that waits, and who types.
struct Desk {
    cluster: TestCluster,
    reader: Reader,
    uuid: String,
    images: u32,
}

impl Desk {
    async fn open() -> Self {
        let cluster = TestCluster::start().await;
        cluster.admin().pause_queue(PauseQueueRequest {}).await.unwrap();
        let reader = Reader::sign_in(&cluster).await;
        let mut desk = Self { cluster, reader, uuid: String::new(), images: 0 };
        desk.fill().await;
        desk
    }

    /// A new image, on its way to s01.
    async fn fill(&mut self) {
        self.images += 1;
        let image = self.cluster.upload(1, png(self.images, 10)).await;
        image["image_uuid"].as_str().unwrap().clone_into(&mut self.uuid);
        let ask =
            MoveImagesRequest { uuids: vec![self.uuid.clone()], target_pool_id: 2, ..MoveImagesRequest::default() };
        self.cluster.admin().move_images(ask).await.unwrap();
    }

    /// What a form did is taken back, as far as the next one needs it.
    async fn tidy(&mut self) {
        let mut admin = self.cluster.admin();
        let pools = admin.list_pools(ListPoolsRequest {}).await.unwrap().into_inner().pools;
        for pool in pools.into_iter().filter(|pool| pool.id > 3) {
            admin.delete_pool(DeletePoolRequest { id: pool.id }).await.unwrap();
        }
        self.fill().await;
    }

    async fn pool(&self) -> Pool {
        self.cluster.admin().get_pool(GetPoolRequest { id: 2 }).await.unwrap().into_inner()
    }

    async fn books(&self) -> Vec<String> {
        books_in(self.cluster.pool_dir(1).parent().unwrap()).await
    }

    /// The form as it is sent, one field of it with this in it.
    async fn typed(&self, form: &Form, field: &str, value: &str) -> Vec<(&'static str, String)> {
        let revision = self.pool().await.revision.to_string();
        let fill = |text: &String| text.replace("{uuid}", &self.uuid).replace("{revision}", &revision);
        form.fields
            .iter()
            .map(|(name, good)| (*name, if *name == field { value.to_owned() } else { fill(good) }))
            .collect()
    }
}

fn lent<'a>(fields: &'a [(&'static str, String)]) -> Vec<(&'a str, &'a str)> {
    fields.iter().map(|(name, value)| (*name, value.as_str())).collect()
}

/// Nothing of what was typed is markup, and nobody's program has failed over it.
fn assert_sound(page: &Page, what: &str) {
    assert!(page.status < 500, "{what}: {} {}", page.status, page.html);
    assert!(!page.html.contains("<script>evil"), "{what}: {}", page.html);
    assert!(page.html.starts_with("<!doctype html>"), "{what}: no page: {}", page.html);
}

/// The field's own tag.
fn tag<'a>(page: &'a Page, field: &str) -> &'a str {
    let name = format!(" name=\"{field}\"");
    let tags = page.html.split('<').filter(|tag| tag.contains(&name));
    let mut shown = tags.filter(|tag| !tag.contains("type=\"hidden\""));
    shown.next().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_value_of_any_field_of_any_form_does_harm() {
    // Every field of every form with every value, the others as they should be. What is not done changes nothing, says
    // why and keeps what was typed at its field; what the table names is never done.
    let mut desk = Desk::open().await;
    let old = desk.pool().await;
    let base_path = desk.cluster.pool_dir(2).with_file_name("second").display().to_string();
    let new = Pool { name: "second".into(), base_path, ..old.clone() };
    let (mut done, mut faults) = (0, Vec::new());
    for form in forms(&new, &old) {
        for (field, _) in &form.fields {
            for (why, value) in values() {
                let fields = desk.typed(&form, field, &value).await;
                let before = desk.books().await;
                let page = desk.reader.send(form.path, &lent(&fields)).await;
                let what = format!("{} {field} {why}: {} {}", form.path, page.status, page.said());
                assert_sound(&page, &what);
                let takes = form.takes(field, why);
                if page.is_done() {
                    done += 1;
                    faults.extend((!takes).then(|| format!("done: {what}")));
                    desk.tidy().await;
                    continue;
                }
                if takes {
                    continue;
                }
                faults.extend((desk.books().await != before).then(|| format!("changed: {what}")));
                faults.extend(page.said().is_empty().then(|| format!("nothing is said: {what}")));
                if form.shown.contains(field) {
                    let is_marked = tag(&page, field).contains("aria-invalid=\"true\"");
                    faults.extend((!is_marked).then(|| format!("not marked: {what}")));
                    let is_there = page.html.contains(&escaped(&value));
                    faults.extend((!is_there).then(|| format!("not there any more: {what}")));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
    assert!(done > 10, "forms that are right are done, or nothing was shown: {done}");
    desk.cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_form_of_an_earlier_session_or_of_another_site_changes_nothing_and_is_not_lost() {
    // The first is shown with every field, to be sent once more; the second is refused.
    let desk = Desk::open().await;
    let pool = desk.pool().await;
    let mut paths: Vec<Form> = forms(&pool, &pool);
    for path in [
        "/admin/queues/pause",
        "/admin/queues/resume",
        "/admin/storage/2/check",
        "/admin/storage/2/recount",
        "/admin/storage/2/delete",
        "/admin/settings/keys/1/revoke",
        "/admin/logout",
    ] {
        paths.push(Form::new(path, &[]));
    }
    let before = desk.books().await;
    for form in paths {
        let mut fields = desk.typed(&form, "", "").await;
        fields.push(("typed", MARKUP.to_owned()));
        let stale = desk.reader.send_stale(form.path, &lent(&fields)).await;
        assert_sound(&stale, form.path);
        assert_eq!(stale.status, 409, "{}: {}", form.path, stale.html);
        for (name, value) in &fields {
            let hidden = format!("<input type=\"hidden\" name=\"{name}\" value=\"{}\">", escaped(value));
            assert!(stale.html.contains(&hidden), "{}: {name} is lost: {}", form.path, stale.html);
        }
        let foreign = desk.reader.send_foreign(form.path, &lent(&fields)).await;
        assert_sound(&foreign, form.path);
        assert_eq!(foreign.status, 403, "{}: {}", form.path, foreign.html);
    }
    assert_eq!(desk.books().await, before);
    desk.cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_address_of_a_page_does_harm() {
    // Each filter of each list with each value, and each id of an address.
    let desk = Desk::open().await;
    let before = desk.books().await;
    let filters: [(&str, &[&str]); 7] = [
        (
            "/admin/images",
            &["q", "pool", "node", "size_from", "size_to", "day_from", "day_to", "state", "order", "view", "after"],
        ),
        ("/admin/queues", &["state", "kind", "node", "pool", "image", "parent", "scope", "after"]),
        ("/admin/audit", &["actor", "action", "subject", "after", "since", "before"]),
        ("/admin/storage/2/move", &["target", "which", "limit", "request_id"]),
        ("/admin/settings", &["units"]),
        ("/admin/diagnose", &["pool"]),
        ("/admin/login", &["next"]),
    ];
    for (path, fields) in filters {
        for field in fields {
            for (why, value) in values() {
                let query = url::form_urlencoded::Serializer::new(String::new()).append_pair(field, &value).finish();
                let page = desk.reader.get(&format!("{path}?{query}")).await;
                if page.status != 303 {
                    assert_sound(&page, &format!("{path} {field} {why}"));
                }
            }
        }
    }
    let mut ids: Vec<(&str, String)> = values().into_iter().filter(|(why, _)| *why != "empty").collect();
    for (_, value) in &mut ids {
        *value = url::form_urlencoded::byte_serialize(value.as_bytes()).collect();
    }
    ids.push(("no text", "%ff".into()));
    for (why, id) in ids {
        for path in
            ["storage/{}", "storage/{}/move", "storage/{}/delete", "images/{}", "queues/{}", "settings/keys/{}/revoke"]
        {
            let page = desk.reader.get(&format!("/admin/{}", path.replace("{}", &id))).await;
            assert_sound(&page, &format!("{path} {why}"));
            assert!((400..500).contains(&page.status), "{path} {why}: {}", page.status);
        }
        for path in [
            "storage/{}",
            "storage/{}/check",
            "storage/{}/recount",
            "storage/{}/move",
            "storage/{}/delete",
            "images/{}/check",
            "settings/keys/{}/revoke",
        ] {
            let page = desk.reader.send(&format!("/admin/{}", path.replace("{}", &id)), &[]).await;
            assert_sound(&page, &format!("POST {path} {why}"));
            assert!(!page.is_done(), "POST {path} {why}");
        }
    }
    assert_eq!(desk.books().await, before);
    desk.cluster.shutdown().await;
}
