//! An image as the pages show it: a small picture of it, where it is, how its copies are.

use pixelfox_proto::v1;

use crate::{
    show::{Exact, Show},
    words::{Images, fill},
};

/// A larger original is not loaded for a small picture of it.
const THUMBNAIL_BYTES: u64 = 3 << 20;
/// What a browser shows in an `img`.
const SHOWN_TYPES: [&str; 6] = ["image/jpeg", "image/png", "image/gif", "image/webp", "image/avif", "image/bmp"];

/// How a copy is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Condition {
    pub(crate) word: &'static str,
    /// The stylesheet's word and the icon's name.
    pub(crate) class: &'static str,
}

impl Condition {
    fn is_good(self) -> bool {
        self.class == "good"
    }
}

/// An image in a list.
#[derive(Clone, Debug)]
pub(crate) struct Thumbnail {
    pub(crate) uuid: String,
    pub(crate) name: String,
    /// Of the picture; or why there is none.
    pub(crate) picture: Result<String, &'static str>,
    /// Its page for everyone, absolute.
    pub(crate) share: String,
    /// `JPEG`
    pub(crate) kind: String,
    pub(crate) size: Exact,
    pub(crate) dimensions: String,
    pub(crate) created: Option<Exact>,
    pub(crate) pool: String,
    /// What is wrong with its copies.
    pub(crate) wrong: Option<Condition>,
}

/// Shows images of one page.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shower<'a> {
    pub(crate) show: Show,
    pub(crate) words: &'static Images,
    pub(crate) pools: &'a [v1::Pool],
}

impl Shower<'_> {
    pub(crate) fn thumbnail(&self, image: &v1::Image) -> Thumbnail {
        let worst = image.files.iter().map(|file| self.condition(&file.state)).find(|condition| !condition.is_good());
        let is_there = image.files.first().is_none_or(|file| file.state == "live");
        Thumbnail {
            uuid: image.uuid.clone(),
            name: image.original_name.clone(),
            picture: picture(image, is_there, self.words),
            share: image.share_url.clone(),
            kind: kind(&image.content_type),
            size: self.show.bytes(image.size),
            dimensions: format!("{} × {}", image.width, image.height),
            created: self.show.at(image.created.as_ref()),
            pool: self.pool(image.pool_id),
            wrong: worst,
        }
    }

    /// The name of a pool.
    pub(crate) fn pool(&self, id: u64) -> String {
        let known = self.pools.iter().find(|pool| pool.id == id);
        known.map_or_else(|| format!("Pool {id}"), |pool| pool.name.clone())
    }

    /// A state of the wire.
    pub(crate) fn condition(&self, state: &str) -> Condition {
        match state {
            "live" => Condition { word: self.words.live, class: "good" },
            "lost" => Condition { word: self.words.lost, class: "bad" },
            _ => Condition { word: self.words.suspect, class: "bad" },
        }
    }

    /// What to do about it.
    pub(crate) fn hint(&self, file: &v1::ImageFile, pool: &str) -> Option<String> {
        let (text, kept) = match (file.state.as_str(), file.trash_pool_id) {
            ("lost", 0) => (self.words.lost_hint, String::new()),
            ("suspect", 0) => (self.words.suspect_hint, String::new()),
            ("lost", kept) => (self.words.lost_kept_hint, self.pool(kept)),
            ("suspect", kept) => (self.words.suspect_kept_hint, self.pool(kept)),
            _ => return None,
        };
        Some(fill(text, &[("pool", pool), ("kept", &kept)]))
    }
}

/// The address of a small picture of it; or why there is none.
pub(crate) fn picture(image: &v1::Image, is_there: bool, words: &'static Images) -> Result<String, &'static str> {
    match () {
        () if !is_there => Err(words.no_preview_lost),
        () if !is_shown(image) => Err(words.no_preview_type),
        () if image.size > THUMBNAIL_BYTES => Err(words.no_preview_large),
        () => Ok(image.url.clone()),
    }
}

/// Whether a browser shows it as a picture.
pub(crate) fn is_shown(image: &v1::Image) -> bool {
    SHOWN_TYPES.contains(&image.content_type.as_str()) && is_web(&image.url)
}

/// Whether an address leads to the web and nowhere else.
pub(crate) fn is_web(url: &str) -> bool {
    url.starts_with("http://") || url.starts_with("https://") || url.starts_with("/uploads/")
}

/// `JPEG` of `image/jpeg`.
pub(crate) fn kind(content_type: &str) -> String {
    content_type.rsplit('/').next().unwrap_or(content_type).to_uppercase()
}

#[cfg(test)]
mod tests {
    use pixelfox_proto::Language;

    use super::*;

    #[test]
    fn what_to_do_about_a_lost_file_names_the_copy_in_a_trash() {
        let pools =
            [(1, "Default"), (2, "img2")].map(|(id, name)| v1::Pool { id, name: name.into(), ..v1::Pool::default() });
        let show = Show::new(Language::De, jiff::Timestamp::UNIX_EPOCH);
        let shower = Shower { show, words: &crate::words::of(Language::De).images, pools: &pools };
        let hint = |state: &str, trash_pool_id| {
            shower.hint(&v1::ImageFile { state: state.into(), trash_pool_id, ..v1::ImageFile::default() }, "Default")
        };
        assert_eq!(hint("live", 2), None);
        for state in ["lost", "suspect"] {
            assert!(hint(state, 0).is_some_and(|hint| hint.contains("Sicherung")));
            assert!(hint(state, 2).is_some_and(|hint| hint.contains("im Papierkorb von Pool img2")), "{state}");
        }
    }
}
