//! What a file's mark keeps besides size, SHA-256 and generation.

use prost_types::Timestamp;

use crate::v1;

/// Enough to make a lost database again from the disks. All fields may be empty: a file without a record has none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct FileMeta {
    /// The image that the file belongs to.
    pub image_uuid: String,
    /// `original`, or the name of a variant, for instance `webp_medium`.
    pub kind: String,
    /// The word in the image's share link.
    pub share_token: String,
    /// As the uploader's machine named it, at most [`FileMeta::MAX_NAME_BYTES`].
    pub original_name: String,
    /// By content, for instance `image/png`.
    pub content_type: String,
    /// In pixels; 0: unknown.
    pub width: u32,
    /// In pixels; 0: unknown.
    pub height: u32,
    /// 0: a visitor.
    pub user_id: u64,
    /// Unix seconds; 0: unknown.
    pub created: i64,
}

impl FileMeta {
    /// Longest original name in bytes.
    pub const MAX_NAME_BYTES: usize = 255;

    /// `name` cut at a character's end so that it fits, without control characters.
    #[must_use]
    pub fn fit_name(name: &str) -> String {
        let mut fit = String::new();
        for c in name.chars().filter(|c| !c.is_control()) {
            if fit.len() + c.len_utf8() > Self::MAX_NAME_BYTES {
                break;
            }
            fit.push(c);
        }
        fit
    }
}

impl From<v1::FileMeta> for FileMeta {
    fn from(wire: v1::FileMeta) -> Self {
        Self {
            image_uuid: wire.image_uuid,
            kind: wire.kind,
            share_token: wire.share_token,
            original_name: Self::fit_name(&wire.original_name),
            content_type: wire.content_type,
            width: wire.width,
            height: wire.height,
            user_id: wire.user_id,
            created: wire.created.map_or(0, |at| at.seconds),
        }
    }
}

impl From<FileMeta> for v1::FileMeta {
    fn from(meta: FileMeta) -> Self {
        Self {
            image_uuid: meta.image_uuid,
            kind: meta.kind,
            share_token: meta.share_token,
            original_name: meta.original_name,
            content_type: meta.content_type,
            width: meta.width,
            height: meta.height,
            user_id: meta.user_id,
            created: (meta.created != 0).then_some(Timestamp { seconds: meta.created, nanos: 0 }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_name_is_cut_between_characters() {
        let name = FileMeta::fit_name(&"ä".repeat(200));
        assert_eq!((name.len(), name.chars().count()), (254, 127));
        assert_eq!(FileMeta::fit_name("a\nb\0.jpg"), "ab.jpg");
    }

    #[test]
    fn meta_survives_the_wire() {
        let meta = FileMeta { kind: "original".into(), width: 3, created: 7, ..FileMeta::default() };
        assert_eq!(FileMeta::from(v1::FileMeta::from(meta.clone())), meta);
    }
}
