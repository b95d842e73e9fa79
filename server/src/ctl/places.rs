//! Pools by name or number, and images by whatever a person has of them.

use pixelfox_proto::{Text, text, v1};

use super::{Ctl, Trouble};

/// The pools that there are, for names.
#[derive(Debug, Default)]
pub(super) struct Pools(Vec<v1::Pool>);

impl Pools {
    pub(super) async fn ask(ctl: &mut Ctl) -> Result<Self, Trouble> {
        Ok(Self(ctl.admin.list_pools(v1::ListPoolsRequest {}).await?.into_inner().pools))
    }

    /// Its name; `-` for none, its number where it is gone.
    pub(super) fn name(&self, id: u64) -> String {
        match self.0.iter().find(|pool| pool.id == id) {
            Some(pool) => pool.name.clone(),
            None if id == 0 => "-".into(),
            None => format!("pool {id}"),
        }
    }

    /// The one of this name, whatever the case where that is clear.
    ///
    /// # Errors
    /// There is none; the one that was probably meant is named.
    fn find(&self, word: &str) -> Result<u64, Trouble> {
        let alike = |pool: &&v1::Pool| pool.name.to_lowercase() == word.to_lowercase();
        let mut near = self.0.iter().filter(alike);
        let found = match (self.0.iter().find(|pool| pool.name == word), near.next(), near.next()) {
            (Some(pool), ..) | (None, Some(pool), None) => Some(pool.id),
            _ => None,
        };
        found.ok_or_else(|| Trouble::Unknown(self.unknown(word)))
    }

    fn unknown(&self, word: &str) -> Text {
        let names = self.0.iter().map(|pool| format!("{} ({})", pool.name, pool.id)).collect::<Vec<_>>().join(", ");
        let distance = |pool: &v1::Pool| strsim::osa_distance(&pool.name.to_lowercase(), &word.to_lowercase());
        let nearest = self.0.iter().min_by_key(|pool| distance(pool));
        let nearest = nearest.filter(|pool| distance(pool) <= (word.chars().count() / 2).max(1));
        let meant = match nearest {
            Some(pool) => text!(de "; gemeint ist {}?", en "; did you mean {}?", pool.name),
            None => Text::verbatim("."),
        };
        text!(
            de "in diesem Cluster gibt es keinen Speicherpool „{word}“{meant} Es gibt: {names}",
            en "no pool `{word}` in this cluster{meant} There are: {names}",
            with meant
        )
    }
}

/// The number of a pool that was named: a number is one already.
///
/// # Errors
/// There is no pool of this name.
pub(super) async fn pool(ctl: &mut Ctl, word: &str) -> Result<u64, Trouble> {
    match number(word) {
        Some(id) => Ok(id),
        None => Pools::ask(ctl).await?.find(word),
    }
}

/// The same where none may be named: 0.
///
/// # Errors
/// There is no pool of this name.
pub(super) async fn pool_if(ctl: &mut Ctl, word: Option<&str>) -> Result<u64, Trouble> {
    match word {
        Some(word) => pool(ctl, word).await,
        None => Ok(0),
    }
}

/// Whether the word can only be an image.
pub(super) fn is_image(word: &str) -> bool {
    word.contains('/') || is_uuid(word)
}

/// The UUID of an image by its UUID, share link, share token, URL or stored path.
///
/// # Errors
/// None, or more than one, is found by it.
pub(super) async fn image(ctl: &mut Ctl, word: &str) -> Result<String, Trouble> {
    if is_uuid(word) {
        return Ok(word.to_owned());
    }
    let ask = v1::ListImagesRequest { query: word.into(), page_size: 2, ..v1::ListImagesRequest::default() };
    let found = ctl.admin.list_images(ask).await?.into_inner().images;
    match found.as_slice() {
        [image] => Ok(image.uuid.clone()),
        [] => Err(Trouble::Unknown(text!(
            de "in diesem Cluster gibt es kein Bild „{word}“",
            en "no image `{word}` in this cluster"
        ))),
        _ => Err(Trouble::Unknown(text!(
            de "„{word}“ ist mehr als ein Bild: mit seiner UUID nennen, `images {word}` zählt sie auf",
            en "`{word}` is more than one image: name it by its UUID, `images {word}` lists them"
        ))),
    }
}

fn number(word: &str) -> Option<u64> {
    word.parse().ok().filter(|_| word.bytes().all(|byte| byte.is_ascii_digit()))
}

fn is_uuid(word: &str) -> bool {
    let parts: Vec<usize> = word.split('-').map(str::len).collect();
    parts == [8, 4, 4, 4, 12] && word.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pools() -> Pools {
        let pool = |(id, name): (u64, &str)| v1::Pool { id, name: name.into(), ..v1::Pool::default() };
        Pools([(1, "Default"), (2, "img1"), (3, "IMG1"), (4, "cold")].map(pool).to_vec())
    }

    #[test]
    fn a_pool_by_its_name_and_the_one_that_was_meant() {
        for (word, want) in [
            ("img1", Ok(2)),
            ("IMG1", Ok(3)),
            ("default", Ok(1)),
            ("Img1", Err("did you mean img1?")),
            ("colt", Err("did you mean cold?")),
            ("archive", Err("no pool `archive` in this cluster. There are: Default (1), img1 (2)")),
        ] {
            match (pools().find(word), want) {
                (Ok(id), Ok(want)) => assert_eq!(id, want, "{word}"),
                (Err(trouble), Err(want)) => assert!(trouble.to_string().contains(want), "{word}: {trouble}"),
                other => panic!("{word}: {other:?}"),
            }
        }
    }

    #[test]
    fn what_can_only_be_an_image() {
        for (word, want) in [
            ("0190a6f2-3b5c-4d7e-8f90-000000000001", true),
            ("http://localhost:8080/i/abc", true),
            ("original/2026/11/24/x.png", true),
            ("img1", false),
            ("0190a6f2-3b5c-4d7e-8f90-00000000000g", false),
        ] {
            assert_eq!(is_image(word), want, "{word}");
        }
    }
}
