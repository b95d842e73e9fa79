//! Events on the wire.

use pixelfox_proto::{Fault, text, v1};

use super::timestamp;
use crate::catalog::UnixMillis;
use crate::events::{Event, Subject};

const TOPICS: [&str; 6] = ["job", "node", "pool", "image", "settings", "audit"];

/// What a watcher wants to hear of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "a set of six")]
pub(crate) struct Topics {
    pub(crate) job: bool,
    pub(crate) node: bool,
    pub(crate) pool: bool,
    pub(crate) image: bool,
    pub(crate) settings: bool,
    pub(crate) audit: bool,
}

/// From a request; none named: all.
///
/// # Errors
/// A topic that there is not.
pub(crate) fn topics(names: &[String]) -> Result<Topics, Fault> {
    if names.is_empty() {
        return Ok(Topics { job: true, node: true, pool: true, image: true, settings: true, audit: true });
    }
    let mut topics = Topics::default();
    for name in names {
        match name.as_str() {
            "job" => topics.job = true,
            "node" => topics.node = true,
            "pool" => topics.pool = true,
            "image" => topics.image = true,
            "settings" => topics.settings = true,
            "audit" => topics.audit = true,
            other => {
                let known = TOPICS.join(", ");
                return Err(Fault::bad_request(text!(
                    de "topics: „{}“ ist keines von {known}",
                    en "topics: `{}` is none of {known}",
                    other.escape_debug()
                )));
            }
        }
    }
    Ok(topics)
}

impl Topics {
    /// Whether a subject belongs to them.
    pub(crate) fn wanted(self) -> impl Fn(&Subject) -> bool + Send + Sync + 'static {
        move |subject| match subject {
            Subject::Job(_) => self.job,
            Subject::Node(_) => self.node,
            Subject::Pool(_) => self.pool,
            Subject::Image(_) => self.image,
            Subject::Settings => self.settings,
            Subject::Audit => self.audit,
        }
    }
}

/// What is there at the beginning.
pub(crate) fn state(what: v1::event::What, at: UnixMillis) -> v1::Event {
    use v1::event::What;
    let topic = match &what {
        What::Job(_) => "job",
        What::Node(_) => "node",
        What::Pool(_) => "pool",
        What::Image(_) => "image",
        What::Settings(_) => "settings",
    };
    v1::Event { at: Some(timestamp(at)), topic: topic.to_owned(), message: String::new(), what: Some(what) }
}

/// A change, with its object where that is still there.
pub(crate) fn event(what: Option<v1::event::What>, event: Event, at: UnixMillis) -> v1::Event {
    let topic = match event.subject {
        Subject::Job(_) => "job",
        Subject::Node(_) => "node",
        Subject::Pool(_) => "pool",
        Subject::Image(_) => "image",
        Subject::Settings => "settings",
        Subject::Audit => "audit",
    };
    v1::Event { at: Some(timestamp(at)), topic: topic.to_owned(), message: event.message, what }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_that_there_is_not_is_refused_by_name() {
        let asked = |names: &[&str]| topics(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        assert!(asked(&[]).unwrap().image);
        assert_eq!(asked(&["job", "pool"]).unwrap(), Topics { job: true, pool: true, ..Topics::default() });
        let refused = asked(&["job", "jobs"]).unwrap_err();
        assert_eq!(refused.message(), "topics: `jobs` is none of job, node, pool, image, settings, audit");
    }
}
