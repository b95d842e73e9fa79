//! Pages that are the answer to a form, as they look: what was refused and keeps what was typed, previews, questions, and
//! what is shown once. Forms are sent as they are on their pages, with some fields filled in.

use serde_json::json;

use super::{
    driver::{Browser, View},
    looks::{LANGUAGES, look},
    page, picture, sign_in, uploaded,
};
use crate::harness::TestCluster;

/// Fills in the form of this action on the page, or one of its own where there is none, and sends it. Boxes are ticked;
/// what no field has is sent beside them; the content of files is base64.
const SEND: &str = "const [action, fields] = arguments; \
    const forms = [...document.forms]; \
    let form = forms.find(form => form.getAttribute('action')?.split('#')[0] === action && form.method === 'post' && !form.elements.id); \
    if (!form) { \
      form = document.createElement('form'); form.method = 'post'; form.action = action; document.body.append(form); \
      fields.unshift(['csrf_token', document.querySelector('[name=csrf_token]').value]); \
    } \
    for (const [name, value] of fields) { \
      const known = [...form.elements].filter(field => field.name === name && field.type !== 'submit'); \
      for (const field of known) { \
        if (field.type === 'checkbox') field.checked = true; \
        else if (field.type === 'file') { \
          const content = Uint8Array.from(atob(value), sign => sign.charCodeAt(0)), files = new DataTransfer(); \
          files.items.add(new File([content], 'Hafen im Nebel.png', {type: 'image/png'})); \
          field.files = files.files; \
        } else field.value = value; \
      } \
      if (known.length) continue; \
      const field = document.createElement('input'); \
      field.type = 'hidden'; field.name = name; field.value = value; form.append(field); \
    } \
    HTMLFormElement.prototype.submit.call(form);";

/// A form: its action, and fields of it.
type Sent = (&'static str, &'static [(&'static str, &'static str)]);

/// Name, the page that it begins on, forms one after the other.
const ANSWERS: [(&str, &str, &[Sent]); 17] = [
    ("selection-move", "/admin/images", &[("/admin/images/selected", &[("uuid", ""), ("do", "move")])]),
    (
        "selection-preview",
        "/admin/images",
        &[
            ("/admin/images/selected", &[("uuid", ""), ("do", "move")]),
            ("/admin/images/move", &[("target", "2"), ("do", "preview")]),
        ],
    ),
    (
        "selection-refused",
        "/admin/images",
        &[
            ("/admin/images/selected", &[("uuid", ""), ("do", "move")]),
            ("/admin/images/move", &[("target", ""), ("do", "preview")]),
        ],
    ),
    ("selection-delete", "/admin/images", &[("/admin/images/selected", &[("uuid", ""), ("do", "delete")])]),
    (
        "pool-refused",
        "/admin/storage/new",
        &[(
            "/admin/storage",
            &[
                ("name", "Regal <b>eins</b>"),
                ("node_id", "s02"),
                ("base_path", "../anderswo"),
                ("upload_api_url", "ftp://ich@s02/api/internal/upload?x=1"),
                ("public_base_url", "http://s02.example/uploads"),
                ("max_size", "-1"),
                ("priority", "viel"),
            ],
        )],
    ),
    (
        "pool-doubts",
        "/admin/storage/new",
        &[(
            "/admin/storage",
            &[
                ("name", "zweiter"),
                ("node_id", "s77"),
                ("base_path", "/srv/pixelfox/zweiter"),
                ("upload_api_url", "http://127.0.0.1:9/api/internal/upload"),
                ("public_base_url", "http://127.0.0.1:9"),
            ],
        )],
    ),
    ("pool-checked", "/admin/storage/2", &[("/admin/storage/2", &[("check", "1")])]),
    (
        "pool-changed-meanwhile",
        "/admin/storage/2",
        &[("/admin/storage/2", &[("revision", "999"), ("description", "vom zweiten")])],
    ),
    ("pool-move-refused", "/admin/storage/1/move?target=2", &[("/admin/storage/1/move", &[("limit", "viele")])]),
    (
        "pool-replace-refused",
        "/admin/storage/2/replace-disk",
        &[("/admin/storage/2/replace-disk", &[("name", "falsch")])],
    ),
    ("pool-check-said", "/admin/storage", &[("/admin/storage/2/check", &[])]),
    ("pool-delete-refused", "/admin/storage", &[("/admin/storage/2/delete", &[])]),
    (
        "settings-refused",
        "/admin/settings",
        &[(
            "/admin/settings",
            &[("upload_rate_limit_per_ip", "-1"), ("upload_max_bytes", "<b>viel</b>"), ("trash_hours", "99999999")],
        )],
    ),
    ("key-made", "/admin/settings", &[("/admin/settings/keys", &[("name", "Kamera am Hafen")])]),
    ("key-refused", "/admin/settings", &[("/admin/settings/keys", &[("name", "")])]),
    ("queue-sure", "/admin/queues", &[("/admin/queues/change", &[("do", "cancel"), ("scope", "all")])]),
    ("sent-again", "/admin/settings", &[("/admin/settings/keys", &[("csrf_token", "alt"), ("name", "Kamera")])]),
];

/// Its picture's name, the page on which it begins, and each form's address and fields.
type Answer<'a> = (&'a str, &'a str, &'a [(&'a str, &'a [(&'a str, &'a str)])]);

/// Sends forms that begin on this page, and looks at the last answer.
async fn look_at(
    browser: &Browser,
    cluster: &TestCluster,
    (name, begin, forms): Answer<'_>,
    language: &'static str,
) -> String {
    browser.view(View { language, ..View::DESK }).await;
    browser.open(&page(cluster, begin)).await;
    for (action, fields) in forms {
        browser.mark().await;
        browser.page.execute(SEND, vec![json!(action), json!(fields)]).await.unwrap();
        let came = "return window.marked !== true && document.readyState === 'complete'";
        browser.wait_until(&format!("the answer of {name}"), async |browser| browser.run(came).await == true).await;
    }
    let found = look(browser, &format!("answer-{name}"), language).await;
    let lang = browser.run("return document.documentElement.lang").await;
    if lang == language { found } else { format!("{found}{name}: is in {lang}\n") }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_to_a_form_looks_right_and_is_open_to_all() {
    let cluster = TestCluster::start().await;
    for seed in 0..4 {
        let image = uploaded(&cluster, 1 + u64::from(seed) % 2, seed).await;
        if seed == 0 {
            let batch = cluster.move_images(&[&image], 3).await;
            cluster.wait_for_end(batch.job_id).await;
        }
    }
    let browser = Browser::start("de").await;
    let mut wrong = String::new();
    let encoded = |bytes: &[u8]| base64::Engine::encode(&base64::prelude::BASE64_STANDARD, bytes);
    let (fresh, known, no_picture) =
        (encoded(&picture(77, 300, 200)), encoded(&picture(0, 240, 160)), encoded(b"Liebes Tagebuch"));
    for language in LANGUAGES {
        for (name, content) in [("new", &fresh), ("known", &known), ("no-picture", &no_picture)] {
            let sent: &[(&str, &[(&str, &str)])] = &[("/upload", &[("file", content)])];
            wrong += &look_at(&browser, &cluster, (&format!("upload-{name}"), "/", sent), language).await;
        }
        let wrong_password: &[Sent] = &[("/admin/login", &[("username", "admin"), ("password", "falsch")])];
        wrong += &look_at(&browser, &cluster, ("login", "/admin/login", wrong_password), language).await;
    }
    sign_in(&browser, &cluster).await;
    for language in LANGUAGES {
        for answer in ANSWERS {
            wrong += &look_at(&browser, &cluster, answer, language).await;
        }
    }
    assert_eq!(wrong, "");
    browser.close().await;
    cluster.shutdown().await;
}
