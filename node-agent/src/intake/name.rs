//! What a new image is called: its UUID, its share token, its stored path. Made before the file has its name.

use std::time::SystemTime;

use jiff::{Timestamp, tz::TimeZone};
use pixelfox_proto::{ImageId, ShareToken, StoredPath};

use crate::images::Format;

/// A new image's UUID, version 4.
pub(crate) fn image_id() -> ImageId {
    ImageId::from_bytes(uuid::Uuid::new_v4().into_bytes())
}

/// A new image's share token, as random as its UUID.
pub(crate) fn share_token() -> ShareToken {
    loop {
        // 32 bytes: fewer than 12 usable ones among them do not happen, and would only mean another turn.
        let bytes = [uuid::Uuid::new_v4().into_bytes(), uuid::Uuid::new_v4().into_bytes()].concat();
        let random = bytes.into_iter().enumerate().filter(|(index, _)| !matches!(index % 16, 6 | 8)); // fixed bits
        if let Some(token) = ShareToken::from_random(random.map(|(_, byte)| byte)) {
            return token;
        }
    }
}

/// `original/YYYY/MM/DD/<uuid>.<ext>` with the day of `now` in UTC. Source: docs/http.md, "POST /api/internal/upload".
pub(crate) fn stored_path(id: ImageId, format: Format, now: SystemTime) -> StoredPath {
    let day = Timestamp::try_from(now).unwrap_or_default().to_zoned(TimeZone::UTC).strftime("%Y/%m/%d").to_string();
    let path = format!("original/{day}/{id}.{}", format.extension());
    path.parse().expect("digits, hex digits and an ending of ours")
}

/// What a browser calls a file, without what a form adds: the last part of a whole path, quotes as quotes. May be empty.
#[must_use]
pub fn plain_name(sent: &str) -> String {
    // As forms encode them. Source: WHATWG HTML, "Multipart form data".
    let sent = sent.replace("%22", "\"").replace("%0D", "").replace("%0A", "");
    let last = sent.rsplit(['/', '\\']).next().unwrap_or_default().trim();
    pixelfox_proto::FileMeta::fit_name(last)
}

/// The plain name; never empty.
pub(crate) fn original_name(sent: &str, format: Format) -> String {
    let name = plain_name(sent);
    if name.is_empty() { format!("image.{}", format.extension()) } else { name }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn a_path_has_the_day_in_utc() {
        let id = image_id();
        for (seconds, day) in [(0, "1970/01/01"), (1_795_564_799, "2026/11/24"), (1_795_564_800, "2026/11/25")] {
            let path = stored_path(id, Format::Webp, UNIX_EPOCH + Duration::from_secs(seconds));
            assert_eq!(path.as_str(), format!("original/{day}/{id}.webp"));
        }
    }

    #[test]
    fn names_as_machines_send_them() {
        for (sent, want) in [
            ("cat.png", "cat.png"),
            ("C:\\Users\\me\\cat.png", "cat.png"),
            ("/home/me/cat.png", "cat.png"),
            ("../../etc/passwd", "passwd"),
            ("", "image.jpg"),
            ("photos/", "image.jpg"),
            (" \u{7}cat\n.png ", "cat.png"),
            ("%22cat%22%0D%0A.png", "\"cat\".png"),
        ] {
            assert_eq!(original_name(sent, Format::Jpeg), want, "{sent:?}");
        }
    }

    #[test]
    fn no_two_images_are_called_alike() {
        assert_ne!(image_id(), image_id());
        assert_ne!(share_token(), share_token());
    }
}
