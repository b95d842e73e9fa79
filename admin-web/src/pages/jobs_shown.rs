//! A job as every page shows it: words for its state and its reasons, where it goes, how far it is, what can be done.

use pixelfox_proto::v1;

use crate::{
    show::{Exact, Show},
    words::{Jobs, fill},
};

/// States in the order in which they are shown.
pub(crate) const STATES: [&str; 6] = ["processing", "pending", "paused", "failed", "completed", "cancelled"];
/// Kinds that there are now, parents first.
pub(crate) const KINDS: [&str; 6] = ["move_images", "move_pool", "undo", "delete_images", "move_image", "delete_image"];

/// A job for a template.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    pub(crate) id: u64,
    /// Its element in a list, its page.
    pub(crate) key: String,
    pub(crate) address: String,
    pub(crate) kind: &'static str,
    pub(crate) state: &'static str,
    /// The stylesheet's word and the icon's name.
    pub(crate) class: &'static str,
    pub(crate) icon: &'static str,
    pub(crate) image: Option<String>,
    /// `12 Bilder`, of a parent.
    pub(crate) images: Option<String>,
    pub(crate) from: Option<Place>,
    pub(crate) to: Option<Place>,
    pub(crate) node: String,
    pub(crate) attempt: Option<String>,
    /// Parts of a thousand; `None` where there is nothing to measure.
    pub(crate) bar: Option<u64>,
    pub(crate) percent: String,
    /// `312 von 1.000 Bildern`, `12,4 GB von 20 GB`, `48 MB/s`, `noch 2 Min.`
    pub(crate) progress: Vec<String>,
    /// Why it waits, and what went wrong last.
    pub(crate) waits: String,
    pub(crate) error: String,
    pub(crate) note: String,
    pub(crate) parent: u64,
    /// The job that took it back; 0: none.
    pub(crate) taken_back: u64,
    pub(crate) created: Option<Exact>,
    pub(crate) started: Option<Exact>,
    pub(crate) finished: Option<Exact>,
    pub(crate) can: Can,
}

/// A pool by name, with its page where it is still there.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) name: String,
    pub(crate) link: Option<String>,
}

/// What can be done to a job now.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Can {
    pub(crate) pause: bool,
    pub(crate) resume: bool,
    pub(crate) cancel: bool,
    pub(crate) retry: bool,
    pub(crate) undo: bool,
    /// It moves images: its cancel has another word.
    pub(crate) moves: bool,
}

impl Can {
    fn of(job: &v1::Job) -> Self {
        let moves = matches!(job.kind.as_str(), "move_images" | "move_pool" | "move_image" | "undo");
        let open = matches!(job.state.as_str(), "pending" | "processing" | "paused");
        let ended = matches!(job.state.as_str(), "completed" | "failed" | "cancelled");
        let parent = is_parent(job);
        Self {
            pause: moves && matches!(job.state.as_str(), "pending" | "processing"),
            resume: moves && job.state == "paused",
            cancel: moves && open,
            retry: moves
                && ended
                && (if parent { job.children_failed + job.children_cancelled > 0 } else { job.state != "completed" }),
            undo: moves && ended && job.can_undo,
            moves,
        }
    }
}

/// Whether its images are jobs of their own.
pub(crate) fn is_parent(job: &v1::Job) -> bool {
    matches!(job.kind.as_str(), "move_images" | "move_pool" | "delete_images" | "undo")
}

/// Shows jobs of one page.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shower<'a> {
    pub(crate) show: Show,
    pub(crate) words: &'static Jobs,
    pub(crate) pools: &'a [v1::Pool],
}

impl Shower<'_> {
    pub(crate) fn job(&self, job: v1::Job) -> Shown {
        let (words, show) = (self.words, self.show);
        let parent = is_parent(&job);
        let (state, class, icon) = match state(words, &job.state) {
            (word, _, _) if job.state == "completed" && job.not_moved > 0 => (word, "warn", "warn"),
            state => state,
        };
        let (bar, percent, progress) = self.progress(&job);
        let busy = matches!(job.state.as_str(), "pending" | "processing" | "paused");
        let next = show.at(job.not_before.as_ref()).filter(|_| job.waiting_for.starts_with("next try"));
        let waits = match next {
            Some(next) => fill(words.next_try, &[("when", &next.short)]),
            None => waits(words, show, &job.waiting_for),
        };
        let tries = tries(&job);
        let attempt = (!parent && tries > 0 && (busy || tries > 1))
            .then(|| fill(words.attempt, &[("n", &tries.to_string()), ("m", &job.max_attempts.to_string())]));
        Shown {
            can: Can::of(&job),
            id: job.id,
            key: format!("job-{}", job.id),
            address: format!("/admin/queues/{}", job.id),
            kind: kind(words, &job.kind),
            state,
            class,
            icon,
            image: (!job.image_uuid.is_empty()).then(|| job.image_uuid.clone()),
            images: parent.then(|| self.many(job.children_total, words.one_image, words.images)),
            from: self.place(job.source_pool_id),
            to: self.place(job.target_pool_id),
            attempt,
            bar,
            percent,
            progress,
            waits,
            error: if job.state == "completed" { String::new() } else { show.said(&job.last_error) },
            note: show.said(&job.note),
            parent: job.parent_id,
            taken_back: job.taken_back_by,
            created: show.at(job.created.as_ref()),
            started: show.at(job.started.as_ref()),
            finished: show.at(job.finished.as_ref()),
            node: job.node_id,
        }
    }

    fn many(&self, count: u64, one: &str, many: &str) -> String {
        fill(if count == 1 { one } else { many }, &[("n", &self.show.count(count))])
    }

    fn place(&self, id: u64) -> Option<Place> {
        let known = self.pools.iter().find(|pool| pool.id == id);
        (id > 0).then(|| Place {
            name: known.map_or_else(|| fill(self.words.gone_pool, &[("n", &id.to_string())]), |pool| pool.name.clone()),
            link: known.map(|pool| format!("/admin/storage#pool-{}", pool.id)),
        })
    }

    /// Parts of a thousand, percent, and sentences.
    fn progress(&self, job: &v1::Job) -> (Option<u64>, String, Vec<String>) {
        let (words, show) = (self.words, self.show);
        let mut said = Vec::new();
        let over = job.children_done + job.children_failed + job.children_cancelled;
        let by_bytes = job.bytes_total > 0 && job.kind != "delete_images" && job.kind != "delete_image";
        let (part, whole) = if by_bytes { (job.bytes_done, job.bytes_total) } else { (over, job.children_total) };
        if is_parent(job) && job.children_total > 0 {
            let of = [
                ("n", show.count(job.children_done.saturating_sub(job.not_moved))),
                ("m", show.count(job.children_total)),
            ];
            said.push(fill(words.images_done, &[(of[0].0, &of[0].1), (of[1].0, &of[1].1)]));
        }
        if by_bytes && (job.state != "completed" || job.not_moved > 0) {
            let (done, total) = (show.bytes(job.bytes_done).short, show.bytes(job.bytes_total).short);
            said.push(fill(words.of, &[("n", &done), ("m", &total)]));
        } else if by_bytes {
            said.push(show.bytes(job.bytes_total).short);
        }
        if job.state == "processing" && job.bytes_per_second > 0.0 {
            said.push(show.rate(job.bytes_per_second));
            if job.eta_seconds > 0.0 {
                said.push(fill(words.left, &[("time", &show.duration(job.eta_seconds))]));
            }
        }
        for (count, text) in [
            (job.children_failed, words.some_failed),
            (job.children_cancelled, words.some_cancelled),
            (job.files_missing, words.files_missing),
        ] {
            if count > 0 {
                said.push(fill(text, &[("n", &show.count(count))]));
            }
        }
        let ended = matches!(job.state.as_str(), "completed" | "failed" | "cancelled");
        let bar = (whole > 0 && !ended).then(|| crate::show::permille(part, whole));
        (bar, show.percent(part, whole), said)
    }
}

/// Attempts that count, the one under way included. How often a job was handed out says nothing: waiting for room does too.
fn tries(job: &v1::Job) -> u32 {
    let now = match job.state.as_str() {
        _ if job.attempt == 0 => 0,
        "processing" | "completed" => 1,
        "failed" if job.failures == 0 => 1, // at once for good
        _ => 0,
    };
    (job.failures + now).min(job.max_attempts)
}

/// The word, the stylesheet's word and the icon of a state.
pub(crate) fn state(words: &'static Jobs, state: &str) -> (&'static str, &'static str, &'static str) {
    match state {
        "pending" => (words.pending, "idle", "clock"),
        "processing" => (words.processing, "busy", "play"),
        "paused" => (words.paused, "warn", "pause"),
        "completed" => (words.completed, "good", "good"),
        "failed" => (words.failed, "bad", "bad"),
        "cancelled" => (words.cancelled, "idle", "stop"),
        _ => ("?", "idle", "clock"),
    }
}

/// The word of a kind.
pub(crate) fn kind(words: &'static Jobs, kind: &str) -> &'static str {
    match kind {
        "move_images" => words.move_images,
        "move_pool" => words.move_pool,
        "delete_images" => words.delete_images,
        "undo" => words.undo,
        "move_image" => words.move_image,
        "delete_image" => words.delete_image,
        "make_variants" => words.make_variants,
        "verify" => words.verify,
        _ => "?",
    }
}

/// The service's reason in the reader's words; as it is where it is a new one.
pub(crate) fn waits(words: &'static Jobs, show: Show, reason: &str) -> String {
    if reason == "queue paused" {
        return words.waits_paused.to_owned();
    }
    for (before, after, word) in [
        ("node ", " is not attached", words.waits_node),
        ("pool ", " is full", words.waits_full),
        ("node ", " takes no jobs (DISABLE_JOB_WORKERS=1)", words.waits_off),
        ("node ", " still puts old copies into the trash", words.waits_behind),
        ("an old copy in pool ", " is still on its way to the trash", words.waits_old),
    ] {
        if let Some(name) = reason.strip_prefix(before).and_then(|rest| rest.strip_suffix(after)) {
            return fill(word, &[("name", name)]);
        }
    }
    let busy = reason.strip_suffix(" are busy").and_then(|rest| rest.split_once(" slots of node "));
    busy.map_or_else(|| show.said(reason), |(_, name)| fill(words.waits_slots, &[("name", name)]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use pixelfox_proto::Language;

    #[test]
    fn a_reason_is_told_in_the_readers_language_and_a_new_one_as_it_is() {
        let words = &crate::words::of(Language::De).jobs;
        let show = Show::new(Language::De, jiff::Timestamp::UNIX_EPOCH);
        for (reason, want) in [
            ("node s09 is not attached", "Knoten s09 ist nicht verbunden"),
            ("all 4 slots of node s01 are busy", "Knoten s01 ist ausgelastet"),
            ("pool img {name} is full", "Pool img {name} ist voll"),
            ("pool img2 is not healthy", "Pool img2 ist nicht in Ordnung"),
            ("the moon is wrong", "the moon is wrong"),
            ("", ""),
        ] {
            assert_eq!(waits(words, show, reason), want);
        }
    }

    #[test]
    fn attempts_that_are_shown_are_those_that_count() {
        let job = |state: &str, attempt, failures| v1::Job {
            state: state.into(),
            attempt,
            failures,
            max_attempts: 12,
            ..v1::Job::default()
        };
        for (why, job, want) in [
            ("never handed out", job("pending", 0, 0), 0),
            ("waiting for room for the twenty-first time", job("pending", 21, 0), 0),
            ("the first one under way, after pauses", job("processing", 21, 0), 1),
            ("the next one after two that went wrong", job("processing", 3, 2), 3),
            ("between them", job("pending", 3, 2), 2),
            ("used up", job("failed", 30, 12), 12),
            ("refused at once", job("failed", 1, 0), 1),
            ("well", job("completed", 1, 0), 1),
        ] {
            assert_eq!(tries(&job), want, "{why}");
        }
    }

    #[test]
    fn what_can_be_done_to_a_job_follows_from_its_state() {
        let job = |kind: &str, state: &str, done, failed| v1::Job {
            kind: kind.into(),
            state: state.into(),
            can_undo: kind != "delete_image" && (done > 0 || state == "completed"),
            children_done: done,
            children_failed: failed,
            ..v1::Job::default()
        };
        let said = |job: &v1::Job| {
            let can = Can::of(job);
            [(can.pause, 'p'), (can.resume, 'r'), (can.cancel, 'c'), (can.retry, 't'), (can.undo, 'u')]
                .iter()
                .filter(|(can, _)| *can)
                .map(|(_, letter)| *letter)
                .collect::<String>()
        };
        for (kind, state, done, failed, want) in [
            ("move_pool", "processing", 5, 1, "pc"),
            ("move_pool", "paused", 5, 0, "rc"),
            ("move_pool", "completed", 5, 0, "u"),
            ("move_images", "failed", 5, 1, "tu"),
            ("move_image", "failed", 0, 0, "t"),
            ("move_image", "completed", 0, 0, "u"),
            ("delete_image", "pending", 0, 0, ""),
        ] {
            assert_eq!(said(&job(kind, state, done, failed)), want, "{kind} {state}");
        }
        let taken = v1::Job { can_undo: false, taken_back_by: 9, ..job("move_image", "completed", 0, 0) };
        assert_eq!(said(&taken), "", "what was taken back is not offered again");
    }
}
