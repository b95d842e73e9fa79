//! The fields of an HTTP replicate request, in whatever order they come, and the order in which they are judged.
//! Pure: text in, values or the contract's refusal out. Source: docs/http.md, "PUT /api/internal/replicate".

use pixelfox_proto::{DigestError, Fault, PathError, Sha256, StoredPath};

use crate::receive::LandingError;

/// What has come so far, as it was sent. Of a field that comes twice the first one counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fields {
    pool_id: Option<String>,
    stored_path: Option<String>,
    relative_path: Option<String>,
    file_name: Option<String>,
    size: Option<String>,
    sha256: Option<String>,
}

/// When the fields are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    /// At the field `file`: others may follow.
    File,
    /// At the form's end, after a file or without one.
    End {
        /// Whether there was one.
        file: FileSeen,
    },
}

/// Whether the form had a field `file`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileSeen {
    Yes,
    No,
}

/// Whether the setting asks for a checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Checksum {
    Required,
    Optional,
}

/// The fields as values, as far as they are there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Order {
    /// Ours, or the one that an older database has for the pool.
    pub(crate) pool_id: Option<u64>,
    pub(crate) path: Option<StoredPath>,
    /// In bytes.
    pub(crate) size: Option<u64>,
    pub(crate) sha256: Option<Sha256>,
}

/// Why the fields are refused. The texts are those of the contract's 400 row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FieldError {
    #[error("missing pool_id")]
    NoPool,
    #[error("invalid pool_id")]
    Pool,
    #[error(transparent)]
    Path(PathError),
    #[error("file missing")]
    NoFile,
    #[error(transparent)]
    Digest(DigestError),
    #[error("checksum required")]
    NoDigest,
}

impl From<FieldError> for Fault {
    fn from(error: FieldError) -> Self {
        match error {
            FieldError::NoDigest => LandingError::ChecksumRequired.into(), // with its hint
            other => Self::bad_request(other.to_string()),
        }
    }
}

impl Fields {
    /// Takes a field; one that nobody knows is ignored.
    pub(crate) fn take(&mut self, name: &str, value: String) {
        let field = match name {
            "pool_id" => &mut self.pool_id,
            "stored_path" => &mut self.stored_path,
            "relative_path" => &mut self.relative_path,
            "file_name" => &mut self.file_name,
            "size" => &mut self.size,
            "sha256" => &mut self.sha256,
            _ => return,
        };
        field.get_or_insert(value);
    }

    /// The values, or the first refusal in the contract's order. What may still come is not missing.
    pub(crate) fn order(&self, moment: Moment, checksum: Checksum) -> Result<Order, FieldError> {
        let at_end = moment != Moment::File;
        let order = Order { pool_id: self.pool_id(at_end)?, path: self.path(at_end)?, size: self.size(), sha256: None };
        if moment == (Moment::End { file: FileSeen::No }) {
            return Err(FieldError::NoFile);
        }
        let sha256 = self.sha256()?;
        if at_end && sha256.is_none() && checksum == Checksum::Required {
            return Err(FieldError::NoDigest);
        }
        Ok(Order { sha256, ..order })
    }

    /// The path as it was sent, for a log line about one that is none.
    pub(crate) fn raw_path(&self) -> Option<String> {
        let halves =
            || Some(format!("{}/{}", self.relative_path.as_deref()?.trim(), self.file_name.as_deref()?.trim()));
        self.stored_path.clone().or_else(halves)
    }

    fn pool_id(&self, at_end: bool) -> Result<Option<u64>, FieldError> {
        match self.pool_id.as_deref().map(str::trim) {
            None if !at_end => Ok(None),
            None | Some("") => Err(FieldError::NoPool),
            Some(word) => match word.parse() {
                Ok(id) if id > 0 && word.bytes().all(|b| b.is_ascii_digit()) => Ok(Some(id)),
                _ => Err(FieldError::Pool),
            },
        }
    }

    fn path(&self, at_end: bool) -> Result<Option<StoredPath>, FieldError> {
        match self.raw_path() {
            Some(raw) => StoredPath::lenient(&raw).map(Some).map_err(FieldError::Path),
            None if !at_end => Ok(None),
            None => Err(FieldError::Path(PathError::Missing)),
        }
    }

    /// Unreadable or negative is as good as absent.
    fn size(&self) -> Option<u64> {
        self.size.as_deref()?.trim().parse().ok()
    }

    /// Empty is as good as absent.
    fn sha256(&self) -> Result<Option<Sha256>, FieldError> {
        match self.sha256.as_deref().map(str::trim) {
            None | Some("") => Ok(None),
            Some(word) => word.parse().map(Some).map_err(FieldError::Digest),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef0123456789";
    const END: Moment = Moment::End { file: FileSeen::Yes };

    fn fields(words: &[(&str, &str)]) -> Fields {
        let mut fields = Fields::default();
        words.iter().for_each(|(name, value)| fields.take(name, (*value).to_owned()));
        fields
    }

    fn refusal(words: &[(&str, &str)], moment: Moment, checksum: Checksum) -> Option<String> {
        fields(words).order(moment, checksum).err().map(|error| error.to_string())
    }

    #[test]
    fn the_first_refusal_in_the_contracts_order() {
        let (pool, path, sha) = (("pool_id", "7"), ("stored_path", "original/a.jpg"), ("sha256", HEX));
        for (words, want) in [
            (vec![], "missing pool_id"),
            (vec![("pool_id", " ")], "missing pool_id"),
            (vec![("pool_id", "x"), ("sha256", "x")], "invalid pool_id"),
            (vec![("pool_id", "0")], "invalid pool_id"),
            (vec![("pool_id", "-1")], "invalid pool_id"),
            (vec![("pool_id", "+1")], "invalid pool_id"),
            (vec![("pool_id", "99999999999999999999")], "invalid pool_id"),
            (vec![pool], "missing stored_path"),
            (vec![pool, ("relative_path", "original")], "missing stored_path"),
            (vec![pool, ("stored_path", "original/../a")], "invalid stored_path"),
            (vec![pool, ("stored_path", "original\\a")], "invalid stored_path"),
            (vec![pool, ("stored_path", "original/a\0b")], "invalid stored_path"),
            (vec![pool, ("stored_path", "original/\u{fffd}")], "invalid stored_path"),
            (vec![pool, ("stored_path", "")], "invalid path root"),
            (vec![pool, ("stored_path", "/etc/passwd")], "invalid path root"),
            (vec![pool, ("relative_path", "../x"), ("file_name", "a")], "invalid stored_path"),
            (vec![pool, path, ("sha256", "abc")], "invalid sha256"),
            (vec![pool, path], "checksum required"),
            (vec![pool, path, ("sha256", " ")], "checksum required"),
        ] {
            assert_eq!(refusal(&words, END, Checksum::Required).as_deref(), Some(want), "{words:?}");
        }
        assert_eq!(refusal(&[pool, path, sha], END, Checksum::Required), None);
        assert_eq!(refusal(&[pool, path], END, Checksum::Optional), None);
        let without_file = Moment::End { file: FileSeen::No };
        for (words, want) in [
            (vec![pool, path, ("sha256", "abc")], "file missing"),
            (vec![pool, path], "file missing"),
            (vec![pool], "missing stored_path"),
        ] {
            assert_eq!(refusal(&words, without_file, Checksum::Required).as_deref(), Some(want), "{words:?}");
        }
    }

    #[test]
    fn at_the_file_only_what_is_there_is_judged() {
        for (words, want) in [
            (vec![], None),
            (vec![("pool_id", "7")], None),
            (vec![("stored_path", "..")], Some("invalid stored_path")),
            (vec![("sha256", "x")], Some("invalid sha256")),
            (vec![("pool_id", "x")], Some("invalid pool_id")),
        ] {
            assert_eq!(refusal(&words, Moment::File, Checksum::Required).as_deref(), want, "{words:?}");
        }
    }

    #[test]
    fn values_as_older_nodes_send_them() {
        let order = |words: &[(&str, &str)]| fields(words).order(END, Checksum::Optional).unwrap();
        let base = [("pool_id", " 7 "), ("relative_path", "/original/2025/"), ("file_name", "a.jpg")];
        let read = order(&base);
        assert_eq!((read.pool_id, read.path.unwrap().as_str()), (Some(7), "original/2025/a.jpg"));
        for (size, want) in [("12", Some(12)), (" 12 ", Some(12)), ("-1", None), ("1e3", None), ("", None)] {
            assert_eq!(order(&[&base[..], &[("size", size)]].concat()).size, want, "{size}");
        }
        let with_digest = order(&[&base[..], &[("sha256", HEX), ("sha256", "x"), ("extra", "y")]].concat());
        assert_eq!(with_digest.sha256.unwrap().to_string(), HEX.to_lowercase());
    }

    #[test]
    fn the_hint_says_what_to_add_and_who_asks_for_it() {
        let fault = Fault::from(FieldError::NoDigest);
        let hint = fault.hint().unwrap();
        assert!(
            hint.contains("-F \"sha256=$(sha256sum FILE | cut -d' ' -f1)\"") && hint.contains("erzwingen"),
            "{hint}"
        );
    }
}
