//! The settings' page: what is typed badly, what two people do at once, and that only what was changed is sent.

use std::sync::Arc;

use http::{StatusCode, header};
use parking_lot::Mutex;
use pixelfox_proto::v1;
use tonic::Status;

use crate::{
    fake::Fake,
    reader::{Page, get, pages, post},
};

pub(crate) fn settings() -> v1::Settings {
    v1::Settings {
        direct_upload_enabled: Some(false),
        replication_require_checksum: Some(true),
        upload_max_bytes: Some(512 << 20),
        upload_rate_limit_per_ip: Some(60),
        upload_rate_limit_per_user: Some(60),
        public_uploads: Some(false),
        move_bandwidth_per_node: Some(0),
        move_slots_per_node: Some(4),
        trash_hours: Some(24),
        ..v1::Settings::default()
    }
}

type Sent = Arc<Mutex<Vec<v1::UpdateSettingsRequest>>>;

/// Knows settings, and keeps what it is told.
pub(crate) fn with_settings() -> (Fake, Sent) {
    let (fake, sent) = (Fake::new(), Sent::default());
    fake.on("get_settings", |_: v1::GetSettingsRequest| Ok(settings()));
    fake.on("list_api_keys", |_: v1::ListApiKeysRequest| Ok(v1::ListApiKeysResponse::default()));
    let told = sent.clone();
    fake.on("update_settings", move |request: v1::UpdateSettingsRequest| {
        told.lock().push(request);
        Ok(settings())
    });
    (fake, sent)
}

/// What a browser sends for the page as it is shown, with these fields changed; an empty value of a box unticks it.
fn typed(changes: &[(&str, &str)]) -> String {
    let mut fields = vec![
        ("was.direct_upload_enabled", "0"),
        ("was.public_uploads", "0"),
        ("was.upload_max_bytes", "536870912"),
        ("upload_max_bytes", "512"),
        ("unit.upload_max_bytes", "MiB"),
        ("was.upload_rate_limit_per_ip", "60"),
        ("upload_rate_limit_per_ip", "60"),
        ("was.upload_rate_limit_per_user", "60"),
        ("upload_rate_limit_per_user", "60"),
        ("was.replication_require_checksum", "1"),
        ("replication_require_checksum", "on"),
        ("was.move_bandwidth_per_node", "0"),
        ("move_bandwidth_per_node", "0"),
        ("unit.move_bandwidth_per_node", "MB"),
        ("was.move_slots_per_node", "4"),
        ("move_slots_per_node", "4"),
        ("was.trash_hours", "24"),
        ("trash_hours", "24"),
        ("was.reserve_bytes", ""),
        ("reserve_bytes", ""),
        ("unit.reserve_bytes", "GiB"),
    ];
    for (name, value) in changes {
        fields.retain(|(known, _)| known != name);
        if !(value.is_empty() && *name == "replication_require_checksum") {
            fields.push((name, value));
        }
    }
    let escaped = |value: &str| value.bytes().map(|byte| format!("%{byte:02x}")).collect::<String>();
    fields.iter().map(|(name, value)| format!("{name}={}", escaped(value))).collect::<Vec<_>>().join("&")
}

/// What the note of an action says.
fn noted(page: &Page) -> String {
    use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
    let cookie = page.header(header::SET_COOKIE).strip_prefix("pixelfox_note=").unwrap_or_default();
    let json = BASE64_URL_SAFE_NO_PAD.decode(cookie.split(';').next().unwrap()).unwrap();
    String::from_utf8(json).unwrap()
}

#[tokio::test]
async fn the_page_shows_each_setting_with_its_value_and_unit() {
    // The words that operators know, the sizes as they were chosen.
    let page = get(&pages(&with_settings().0), "/admin/settings", &[]).await;
    assert_eq!(page.status, StatusCode::OK);
    for want in [
        "Direct-to-Storage Upload aktivieren",
        "Checksum bei Replikation erzwingen",
        "Hochladen ohne Anmeldung erlauben",
        "Alte Kopien aufbewahren (Stunden)",
        "name=\"upload_max_bytes\" value=\"512\"",
        "<option value=\"MiB\" selected>MiB</option>",
        "id=\"replication_require_checksum\" name=\"replication_require_checksum\" checked",
        "name=\"reserve_bytes\" value=\"\"",
        "<form class=\"form\" action=\"/admin/settings#save\" method=\"post\"",
    ] {
        assert!(page.html.contains(want), "{want}: {}", page.html);
    }
    assert!(!page.html.contains("aria-invalid"));
}

#[tokio::test]
async fn only_what_was_changed_is_sent_and_said() {
    // A box ticked, one unticked, a size in another unit, a reserve: nothing else goes to the service.
    let (fake, sent) = with_settings();
    let pages = pages(&fake);
    let changes = [
        ("direct_upload_enabled", "on"),
        ("replication_require_checksum", ""),
        ("upload_max_bytes", "1,5"),
        ("unit.upload_max_bytes", "GB"),
        ("reserve_bytes", "2"),
        ("unit.reserve_bytes", "GB"),
    ];
    let saved = post(&pages, "/admin/settings", &typed(&changes)).await;
    let next = "/admin/settings?units=upload_max_bytes.GB~move_bandwidth_per_node.MB~reserve_bytes.GB#save";
    assert_eq!((saved.status, saved.header(header::LOCATION)), (StatusCode::SEE_OTHER, next));
    let said = noted(&saved);
    assert!(said.contains("Größte Datei: 1,50\u{a0}GB") && said.contains("erzwingen: aus"), "{said}");
    let want = v1::Settings {
        direct_upload_enabled: Some(true),
        replication_require_checksum: Some(false),
        upload_max_bytes: Some(1_500_000_000),
        reserve_bytes: Some(2_000_000_000),
        ..v1::Settings::default()
    };
    assert_eq!(sent.lock().pop().unwrap(), v1::UpdateSettingsRequest { settings: Some(want) });
    let same = post(&pages, "/admin/settings", &typed(&[])).await;
    assert!(noted(&same).contains("Nichts geändert") && sent.lock().is_empty());
}

#[tokio::test]
async fn the_unit_that_was_chosen_stays_and_a_range_is_said_once() {
    // 1.500 MB were saved: the page that follows has 1500 and MB, where it would say 1,5 GB by itself. A unit that can't
    // say the value exactly, and one that there is not, change nothing. Ranges stand in the help, not in the fault too.
    let fake = with_settings().0;
    fake.on("get_settings", |_: v1::GetSettingsRequest| {
        Ok(v1::Settings { upload_max_bytes: Some(1_500_000_000), ..settings() })
    });
    let pages = pages(&fake);
    let shown = async |units: &str| get(&pages, &format!("/admin/settings?units={units}"), &[]).await.html;
    for (unit, value, selected) in
        [("MB", "1500", "MB"), ("GB", "1.5", "GB"), ("MiB", "1500", "MB"), ("x", "1500", "MB")]
    {
        let html = shown(&format!("upload_max_bytes.{unit}")).await;
        assert!(html.contains(&format!("name=\"upload_max_bytes\" value=\"{value}\"")), "{unit}: {html}");
        assert!(html.contains(&format!("<option value=\"{selected}\" selected>{selected}</option>")), "{unit}");
    }
    let html = post(&pages, "/admin/settings", &typed(&[("move_slots_per_node", "65")])).await.html;
    assert_eq!((html.matches("1 bis 64").count(), html.matches("außerhalb").count()), (1, 1), "{html}");
}

#[tokio::test]
async fn an_emptied_reserve_is_the_services_own_again() {
    // From 2 GB to nothing typed.
    let (fake, sent) = with_settings();
    fake.on("get_settings", |_: v1::GetSettingsRequest| {
        Ok(v1::Settings { reserve_bytes: Some(2_000_000_000), ..settings() })
    });
    let saved = post(&pages(&fake), "/admin/settings", &typed(&[("was.reserve_bytes", "2000000000")])).await;
    assert!(noted(&saved).contains("freihalten: automatisch"));
    let want = v1::Settings { reserve_automatic: Some(true), ..v1::Settings::default() };
    assert_eq!(sent.lock().pop().unwrap().settings, Some(want));
}

#[tokio::test]
async fn what_is_typed_badly_is_kept_marked_and_not_sent() {
    // Each field of a number empty, negative, too long, too large, with markup: the page has it again, beside its fault.
    let long = "9".repeat(3000);
    let (fake, sent) = with_settings();
    let pages = pages(&fake);
    let numbers = [
        "upload_max_bytes",
        "upload_rate_limit_per_ip",
        "upload_rate_limit_per_user",
        "move_bandwidth_per_node",
        "move_slots_per_node",
        "trash_hours",
        "reserve_bytes",
    ];
    for field in numbers {
        // Where the help says what may be typed, the fault does not say it again.
        let said_by_help = matches!(field, "upload_max_bytes" | "move_slots_per_node" | "trash_hours");
        let too_much = if said_by_help { "Dieser Wert ist außerhalb" } else { "Erlaubt ist" };
        for (bad, fault) in [
            ("", "Hier fehlt eine Zahl."),
            ("-1", "Hier muss eine"),
            ("1.000", "Hier muss eine"),
            ("<b>\"x\"</b>", "Hier muss eine"),
            (&long, too_much),
        ] {
            if bad.is_empty() && field == "reserve_bytes" {
                continue;
            }
            let refused =
                post(&pages, "/admin/settings", &typed(&[(field, bad), ("direct_upload_enabled", "on")])).await;
            assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{field} {bad}");
            let kept = bad.replace('<', "&#60;").replace('>', "&#62;").replace('"', "&#34;");
            assert!(refused.html.contains(&format!("name=\"{field}\" value=\"{kept}\"")), "{field} {}", refused.html);
            let marked = format!("aria-invalid=\"true\" aria-describedby=\"fault.{field} help.{field}\"");
            assert_eq!(refused.html.matches("aria-invalid").count(), 1, "{field} {bad}");
            assert!(refused.html.contains(&marked), "{field} {bad}");
            let said = format!("<span class=\"fault\" id=\"fault.{field}\">{fault}");
            assert!(refused.html.contains(&said), "{field} {bad}: {}", refused.html);
            assert!(refused.html.contains("name=\"direct_upload_enabled\" checked"));
        }
    }
    assert!(sent.lock().is_empty());
}

#[tokio::test]
async fn an_empty_form_and_units_that_are_none_are_refused() {
    // A POST without any field; a unit of somebody's own.
    let (fake, sent) = with_settings();
    let pages = pages(&fake);
    let empty = post(&pages, "/admin/settings", "").await;
    assert_eq!((empty.status, empty.html.matches("aria-invalid").count()), (StatusCode::UNPROCESSABLE_ENTITY, 6));
    let unit = post(&pages, "/admin/settings", &typed(&[("unit.upload_max_bytes", "<i>")])).await;
    assert!(unit.html.contains("Diese Einheit gibt es nicht.") && sent.lock().is_empty());
}

#[tokio::test]
async fn two_people_who_change_settings_see_each_others_changes() {
    // Another setting of the other one stays; the same one is asked about once, then replaced.
    let (fake, sent) = with_settings();
    fake.on("get_settings", |_: v1::GetSettingsRequest| {
        Ok(v1::Settings { trash_hours: Some(48), upload_rate_limit_per_ip: Some(0), ..settings() })
    });
    let pages = pages(&fake);
    let other = post(&pages, "/admin/settings", &typed(&[("move_slots_per_node", "2")])).await;
    assert_eq!(other.status, StatusCode::SEE_OTHER);
    let want = v1::Settings { move_slots_per_node: Some(2), ..v1::Settings::default() };
    assert_eq!(sent.lock().pop().unwrap().settings, Some(want));
    let same = post(&pages, "/admin/settings", &typed(&[("trash_hours", "72")])).await;
    assert_eq!(same.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(same.html.contains("auf „48“ geändert") && same.html.contains("name=\"trash_hours\" value=\"72\""));
    assert!(same.html.contains("name=\"was.trash_hours\" value=\"48\"") && sent.lock().is_empty());
    let again = post(&pages, "/admin/settings", &typed(&[("trash_hours", "72"), ("was.trash_hours", "48")])).await;
    assert_eq!(again.status, StatusCode::SEE_OTHER);
    assert_eq!(sent.lock().pop().unwrap().settings.unwrap().trash_hours, Some(72));
}

#[tokio::test]
async fn what_the_service_refuses_or_does_not_answer_keeps_what_was_typed() {
    // It names a field; it names none; it is away.
    let (fake, _) = with_settings();
    let pages = pages(&fake);
    for (status, code, said) in [
        (Status::invalid_argument("trash_hours: <no> moon"), 422, "id=\"fault.trash_hours\">&#60;no&#62; moon"),
        (Status::failed_precondition("not today"), 412, "die Eingaben stehen noch da: Not today"),
        (Status::unavailable("the database is gone"), 503, "die Eingaben stehen noch da: The database is gone"),
    ] {
        let answer = status.clone();
        fake.on("update_settings", move |_: v1::UpdateSettingsRequest| Err::<v1::Settings, _>(answer.clone()));
        let refused = post(&pages, "/admin/settings", &typed(&[("trash_hours", "72")])).await;
        assert_eq!(refused.status.as_u16(), code, "{status}");
        assert!(refused.html.contains(said) && refused.html.contains("value=\"72\""), "{}", refused.html);
    }
    fake.on("get_settings", |_: v1::GetSettingsRequest| Err::<v1::Settings, _>(Status::unavailable("gone")));
    let away = post(&pages, "/admin/settings", &typed(&[("trash_hours", "72")])).await;
    assert!(away.html.contains("da: Gone") && away.html.contains("name=\"trash_hours\" value=\"72\""), "{}", away.html);
}
