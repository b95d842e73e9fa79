//! API keys on the settings' page: made, shown once, revoked after a question.

use http::{StatusCode, header};
use pixelfox_proto::v1;
use tonic::Status;

use crate::{
    fake::Fake,
    reader::{get, pages, post},
    settings::with_settings,
};

fn with_keys() -> Fake {
    let fake = with_settings().0;
    let blog = v1::ApiKey { id: 3, name: "Blog <1>".into(), ..v1::ApiKey::default() };
    fake.on("list_api_keys", move |_: v1::ListApiKeysRequest| Ok(v1::ListApiKeysResponse { keys: vec![blog.clone()] }));
    fake.on("create_api_key", |request: v1::CreateApiKeyRequest| {
        Ok(v1::ApiKey { id: 4, name: request.name, key: "pfk_secret".into(), ..v1::ApiKey::default() })
    });
    fake.on("revoke_api_key", |request: v1::RevokeApiKeyRequest| {
        let known = request.id == 3;
        known.then(v1::RevokeApiKeyResponse::default).ok_or_else(|| Status::not_found("no such key"))
    });
    fake
}

#[tokio::test]
async fn a_new_key_is_in_one_answer_and_in_no_address_cookie_or_later_page() {
    // The answer to the form has it, with a button to copy it; the list has its name alone.
    let pages = pages(&with_keys());
    let made = post(&pages, "/admin/settings/keys", "name=+Shop+%26+Co+").await;
    assert_eq!(made.status, StatusCode::OK);
    assert!(made.html.contains("<code>pfk_secret</code>") && made.html.contains("data-copy=\"pfk_secret\""));
    assert!(made.html.contains("Schlüssel „Shop &#38; Co“ erstellt"), "{}", made.html);
    assert!(!made.html.contains("data-live"), "its address can't be asked again for events");
    assert!(made.headers.get(header::SET_COOKIE).is_none_or(|cookie| cookie.to_str().unwrap().contains("Max-Age=0")));
    assert_eq!(made.header(header::CACHE_CONTROL), "no-store");
    let page = get(&pages, "/admin/settings", &[]).await;
    assert!(page.html.contains("Blog &#60;1&#62;") && !page.html.contains("pfk_secret"), "{}", page.html);
    let form = get(&pages, "/admin/settings/keys", &[]).await;
    assert_eq!((form.status, form.header(header::LOCATION)), (StatusCode::SEE_OTHER, "/admin/settings#keys"));
}

#[tokio::test]
async fn a_name_that_can_be_none_is_kept_and_marked() {
    // None, too long, control characters; and what only the service knows.
    let fake = with_keys();
    let pages = pages(&fake);
    for (sent, kept, fault) in [
        ("name=", String::new(), "Hier fehlt ein Name.".to_owned()),
        ("", String::new(), "Hier fehlt ein Name.".to_owned()),
        (&*format!("name={}", "x".repeat(5000)), "x".repeat(5000), "es sind 5000".to_owned()),
        ("name=a%07b", "a\u{7}b".to_owned(), "keine Steuerzeichen".to_owned()),
    ] {
        let refused = post(&pages, "/admin/settings/keys", sent).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{fault}");
        assert!(refused.html.contains(&format!("id=\"name\" name=\"name\" value=\"{kept}\"")), "{fault}");
        assert!(refused.html.contains("aria-describedby=\"fault.name help.name\"") && refused.html.contains(&fault));
    }
    fake.on("create_api_key", |_: v1::CreateApiKeyRequest| {
        Err::<v1::ApiKey, _>(Status::failed_precondition("there are 1000 API keys: revoke some"))
    });
    let full = post(&pages, "/admin/settings/keys", "name=%3Ci%3E").await;
    assert_eq!(full.status, StatusCode::PRECONDITION_FAILED);
    assert!(full.html.contains("revoke some") && full.html.contains("value=\"&#60;i&#62;\""), "{}", full.html);
}

#[tokio::test]
async fn a_key_is_revoked_after_a_question_that_names_what_is_lost() {
    // The link leads to the question, its button revokes, the list says so.
    let pages = pages(&with_keys());
    let ask = get(&pages, "/admin/settings/keys/3/revoke", &[]).await;
    assert!(ask.html.contains("Schlüssel „Blog &#60;1&#62;“ widerrufen?") && ask.html.contains("nicht mehr hochladen"));
    assert!(ask.html.contains("action=\"/admin/settings/keys/3/revoke\" method=\"post\""), "{}", ask.html);
    let done = post(&pages, "/admin/settings/keys/3/revoke", "").await;
    assert_eq!((done.status, done.header(header::LOCATION)), (StatusCode::SEE_OTHER, "/admin/settings#keys"));
    let note = done.header(header::SET_COOKIE).split(';').next().unwrap().to_owned();
    let page = get(&pages, "/admin/settings", &[("cookie", &note)]).await;
    assert!(page.html.contains("Schlüssel „Blog &#60;1&#62;“ ist widerrufen."), "{}", page.html);
}

#[tokio::test]
async fn a_key_that_has_just_vanished_is_said_to_be_gone() {
    // Unknown when asked, unknown when revoked, an id that is none.
    let fake = with_keys();
    let pages = pages(&fake);
    let asked = get(&pages, "/admin/settings/keys/99/revoke", &[]).await;
    assert_eq!((asked.status, asked.header(header::LOCATION)), (StatusCode::SEE_OTHER, "/admin/settings#keys"));
    fake.on("revoke_api_key", |_: v1::RevokeApiKeyRequest| {
        Err::<v1::RevokeApiKeyResponse, _>(Status::not_found("no such key"))
    });
    let revoked = post(&pages, "/admin/settings/keys/3/revoke", "").await;
    let note = revoked.header(header::SET_COOKIE).split(';').next().unwrap().to_owned();
    let page = get(&pages, "/admin/settings", &[("cookie", &note)]).await;
    assert!(page.html.contains("es ist schon") || page.html.contains("schon widerrufen"), "{}", page.html);
    let nonsense = get(&pages, "/admin/settings/keys/%3Cb%3E/revoke", &[]).await;
    assert_eq!(nonsense.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn settings_are_there_although_the_keys_can_not_be_read() {
    // The list fails: the rest of the page works, and its place says why.
    let fake = with_settings().0;
    fake.on("list_api_keys", |_: v1::ListApiKeysRequest| {
        Err::<v1::ListApiKeysResponse, _>(Status::unavailable("no <books>"))
    });
    let page = get(&pages(&fake), "/admin/settings", &[]).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.html.contains("name=\"trash_hours\" value=\"24\"") && page.html.contains("no &#60;books&#62;"));
}
