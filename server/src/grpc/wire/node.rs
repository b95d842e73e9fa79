//! A node's session on the wire: what it says comes in checked, commands go out.

use std::collections::{BTreeMap, BTreeSet};

use pixelfox_proto::v1::{self, file_result, node_command, node_event, refusal};
use pixelfox_proto::{Fault, FaultKind, NodeId, PoolId, Sha256, StoredPath};
use tonic::Status;

use super::{orders, probe, timestamp};
use crate::catalog::{self, NodeRecord, Pool, Settings, TrashTask};
use crate::sessions::{
    Command, CommandId, FileResult, Heartbeat, Hello, News, Outcome, Outgoing, PoolHome, Seat, SessionEnd, Welcome,
};

/// Longest sentence of a node that is kept, in bytes: it goes into logs and rows.
const MESSAGE_BYTES: usize = 2048;
/// Warnings of a node's environment at most.
const MOST_WARNINGS: usize = 32;
/// Of a SHA-256.
const TAG_BYTES: usize = 32;
/// Slots of a node at most.
const MOST_SLOTS: u32 = 64;

/// The first message of a session; `address` is where it came from.
///
/// # Errors
/// Another message than Hello, a word that is no NODE_ID.
pub(crate) fn hello(event: v1::NodeEvent, address: String) -> Result<Hello, Fault> {
    let Some(node_event::Event::Hello(hello)) = event.event else {
        return Err(Fault::bad_request("the first message of a session must be Hello"));
    };
    if hello.node_id.is_empty() {
        return Err(Fault::bad_request("Hello without a node_id: set NODE_ID"));
    }
    let about = catalog::Hello {
        node: NodeId::try_from(hello.node_id)?,
        instance: hello.instance_id,
        version: short(hello.version),
        slots: hello.slots.min(MOST_SLOTS),
        node_url: short(hello.node_url),
        public_base_url: short(hello.public_base_url),
        uploads_dir: short(hello.uploads_dir),
        uploads_dir_identity: short(hello.uploads_dir_identity),
        process: short(hello.process_id),
        address,
    };
    Ok(Hello {
        about,
        protocol: hello.protocol,
        storage_roots: hello.storage_roots.into_iter().map(short).collect(),
        warnings: hello.warnings.into_iter().take(MOST_WARNINGS).map(short).collect(),
        upload_secret_tag: hello.upload_secret_tag.into_iter().take(TAG_BYTES).collect(),
    })
}

/// Every later message; `None` for one that says nothing that is known here (a newer node's).
///
/// # Errors
/// A second Hello.
pub(crate) fn news(event: v1::NodeEvent) -> Result<Option<News>, Fault> {
    Ok(match event.event {
        None => None,
        Some(node_event::Event::Hello(_)) => return Err(Fault::bad_request("a second Hello on one session")),
        Some(node_event::Event::Heartbeat(beat)) => Some(News::Heartbeat(heartbeat(beat))),
        Some(node_event::Event::Progress(progress)) => Some(News::Progress {
            command: CommandId(progress.command_id),
            bytes_done: progress.bytes_done,
            files: results(progress.files),
            flowing: progress.flowing.as_ref().and_then(file_flowing),
        }),
        Some(node_event::Event::Leaving(v1::Leaving {})) => Some(News::Leaving),
        Some(node_event::Event::Result(result)) => Some(ended(result)),
    })
}

fn file_flowing(it: &v1::FileProgress) -> Option<(StoredPath, u64, u64)> {
    Some((it.stored_path.parse().ok()?, it.bytes_done, it.resumed_from))
}

fn ended(mut result: v1::CommandResult) -> News {
    let command = CommandId(result.command_id);
    match probe::found(&mut result) {
        Some(found) => News::Probed { command, found },
        None => News::Ended {
            command,
            files: results(result.files),
            error: (!result.error.is_empty()).then(|| short(result.error)),
        },
    }
}

fn heartbeat(beat: v1::Heartbeat) -> Heartbeat {
    let pool = |report: v1::PoolReport| Some((PoolId::try_from(report.pool_id).ok()?, probe::health(report)));
    Heartbeat {
        pools: beat.pools.into_iter().filter_map(pool).collect::<BTreeMap<_, _>>(),
        running: beat.running,
        clock_offset_ms: beat.now.map(|theirs| super::millis(theirs).0.saturating_sub(crate::clock::now().0)),
    }
}

/// A result whose path can't be one of ours is left out: its file then counts as never reported.
fn results(files: Vec<v1::FileResult>) -> Vec<FileResult> {
    let result = |file: v1::FileResult| {
        let outcome = match file.outcome() {
            file_result::Outcome::Unspecified | file_result::Outcome::Retry => match file.refusal() {
                // A pool whose disk is away gets no further lease until its node says that it is well.
                refusal::Reason::Busy | refusal::Reason::PoolUnhealthy => Outcome::Busy,
                refusal::Reason::InsufficientStorage => Outcome::Full,
                refusal::Reason::StaleAttempt => Outcome::Stale,
                _ => Outcome::Retry,
            },
            file_result::Outcome::Done => Outcome::Done,
            file_result::Outcome::Skipped => Outcome::Skipped,
            file_result::Outcome::Missing => Outcome::Missing,
            file_result::Outcome::Mismatch => Outcome::Mismatch,
            file_result::Outcome::Refused => Outcome::Refused,
            file_result::Outcome::Stale => Outcome::Stale,
        };
        let path = StoredPath::try_from(file.stored_path.as_str())
            .inspect_err(|cause| tracing::warn!("a node reported on a file that can't be one: {cause}"))
            .ok()?;
        let sha256 = Sha256::try_from(file.sha256.as_slice()).ok();
        Some(FileResult { path, outcome, size: file.size, sha256, message: short(file.message) })
    };
    files.into_iter().filter_map(result).collect()
}

/// At most [`MESSAGE_BYTES`], without control characters: one line of a log, one cell of a table.
pub(super) fn short(text: String) -> String {
    if text.len() <= MESSAGE_BYTES && !text.chars().any(char::is_control) {
        return text;
    }
    let mut fit: String = text.chars().take(MESSAGE_BYTES).map(|c| if c.is_control() { ' ' } else { c }).collect();
    while fit.len() > MESSAGE_BYTES {
        fit.pop();
    }
    fit
}

/// One item of the stream that a node reads.
pub(crate) fn command(item: Result<Outgoing, SessionEnd>) -> Result<v1::NodeCommand, Status> {
    let Outgoing { id, command } = item.map_err(|end| Status::from(farewell(&end)))?;
    let traceparent = orders::trace(&command).map(|trace| trace.to_string()).unwrap_or_default();
    let command = match command {
        Command::Welcome(words) => node_command::Command::Welcome(welcome(*words)),
        Command::Push(push) => node_command::Command::Push(orders::push_files(push)),
        Command::Trash(trash) => {
            let (task, pool_id, files) = orders::delete_files(trash);
            match task {
                TrashTask::Trash => node_command::Command::Delete(v1::DeleteFiles { pool_id, files }),
                TrashTask::Purge => node_command::Command::Purge(v1::PurgeFiles { pool_id, files }),
            }
        }
        Command::Restore(restore) => node_command::Command::Restore(orders::restore_files(&restore)),
        Command::Verify(verify) => node_command::Command::Verify(orders::verify_files(verify)),
        Command::ProbePool(pool) => node_command::Command::ProbePool(probe::pool(pool, 0)),
        Command::ProbeAndLeave { pool, seconds } => node_command::Command::ProbePool(probe::pool(pool, seconds)),
        Command::ProbePlace(place) => node_command::Command::ProbePool(probe::place(*place)),
        Command::ProbeTarget { url, expected } => {
            node_command::Command::ProbeTarget(v1::ProbeTarget { target_url: url, expected_node_id: expected.into() })
        }
        Command::Cancel { command, jobs } => node_command::Command::Cancel(v1::CancelCommand {
            command_id: command.0,
            job_ids: jobs.into_iter().map(pixelfox_proto::JobId::get).collect(),
        }),
    };
    Ok(v1::NodeCommand { command_id: id.0, traceparent, command: Some(command) })
}

fn farewell(end: &SessionEnd) -> Fault {
    let kind = match end {
        SessionEnd::Refused(fault) => return fault.clone(),
        SessionEnd::Elsewhere(_)
        | SessionEnd::ShuttingDown
        | SessionEnd::Books(_)
        | SessionEnd::Stopped(_)
        | SessionEnd::Left(_) => FaultKind::Unavailable,
        SessionEnd::Replaced(_) => FaultKind::Conflict,
        SessionEnd::Silent(_) => FaultKind::TimedOut,
        SessionEnd::Stalled(_) => FaultKind::TooManyRequests,
    };
    Fault::new(kind, end.to_string())
}

fn welcome(words: Welcome) -> v1::Welcome {
    v1::Welcome {
        session_epoch: words.epoch.0,
        pools: words.pools.into_iter().map(|pool| node_pool(pool, &words.retired)).collect(),
        settings: Some(node_settings(&words.settings)),
        elsewhere: words.elsewhere.into_iter().map(pool_home).collect(),
        lease_floor: words.lease_floor.0,
    }
}

fn node_pool(pool: Pool, retired: &[String]) -> v1::NodePool {
    v1::NodePool {
        facts: Some(super::pool::facts(&pool)),
        retired: if pool.initialize { retired.to_vec() } else { Vec::new() },
        pool_id: pool.id.get(),
        name: pool.name,
        base_path: pool.base_path,
        identity: pool.identity,
        max_size: pool.max_size,
        public_base_url: pool.public_base_url,
        initialize: pool.initialize,
        // what lies in the trash takes room as well
        used_size: pool.usage.used_bytes.saturating_add(pool.usage.trash_bytes),
        reserved_size: pool.usage.reserved_bytes,
        is_active: pool.is_active,
        legacy_pool_id: pool.legacy_pool_id,
    }
}

fn pool_home(PoolHome { pool, node, public_base_url, name }: PoolHome) -> v1::PoolHome {
    v1::PoolHome { pool_id: pool.get(), node_id: node.into(), public_base_url, name }
}

fn node_settings(settings: &Settings) -> v1::NodeSettings {
    v1::NodeSettings {
        replication_require_checksum: settings.replication_require_checksum,
        upload_max_bytes: settings.upload_max_bytes,
        upload_rate_limit_per_ip: settings.upload_rate_limit_per_ip,
        upload_rate_limit_per_user: settings.upload_rate_limit_per_user,
        move_bandwidth: settings.move_bandwidth_per_node,
        move_slots: settings.move_slots_per_node,
        direct_upload_enabled: settings.direct_upload_enabled,
        strip_location: settings.strip_location,
        reserve_bytes: settings.reserve_bytes,
        public_uploads: settings.public_uploads,
        revision: settings.revision,
    }
}

/// What a node has to do.
pub(crate) struct Work {
    /// Of what it sends now.
    pub(crate) bytes_per_second: f64,
    /// Pending jobs that it is the source of.
    pub(crate) jobs_waiting: u64,
}

/// A node as the Admin service shows it: the record, and its session where it is attached. `pools`: its own.
pub(crate) fn node(record: NodeRecord, seat: Option<&Seat>, pools: Vec<PoolId>, work: &Work) -> v1::Node {
    let (free, total) = seat.map_or((0, 0), |seat| disks(seat, &pools));
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of a clock that is wrong")]
    let seconds = |ms: i64| ms as f64 / 1000.0;
    v1::Node {
        online: seat.is_some(),
        last_seen: Some(timestamp(record.last_seen)),
        attached_since: seat.map(|seat| timestamp(seat.since())),
        slots: record.slots,
        running: seat.map_or(0, Seat::running),
        pool_ids: pools.into_iter().map(PoolId::get).collect(),
        version: record.version,
        address: record.address,
        node_id: record.node.into(),
        offline_since: seat.is_none().then(|| timestamp(record.last_seen)),
        filesystem_free: free,
        filesystem_total: total,
        clock_offset_seconds: seat.and_then(Seat::clock_offset_ms).map(seconds),
        bytes_per_second: work.bytes_per_second,
        jobs_waiting: work.jobs_waiting,
    }
}

/// Bytes free and in all of the file systems that these pools are on, each counted once.
fn disks(seat: &Seat, pools: &[PoolId]) -> (u64, u64) {
    let mut known = BTreeSet::new();
    let health = pools.iter().filter_map(|pool| seat.pool(*pool));
    let once = health.filter(|health| health.file_system == 0 || known.insert(health.file_system));
    once.fold((0, 0), |(free, total), health| {
        (free.saturating_add(health.free_bytes), total.saturating_add(health.total_bytes))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(event: node_event::Event) -> v1::NodeEvent {
        v1::NodeEvent { event: Some(event) }
    }

    #[test]
    fn a_session_begins_with_a_hello_that_names_its_node() {
        // Everything else is one sentence, and no panic.
        let said = |node_id: &str| v1::Hello { node_id: node_id.into(), ..v1::Hello::default() };
        let named = |node_id: &str| event(node_event::Event::Hello(said(node_id)));
        for (first, want) in [
            (v1::NodeEvent { event: None }, "must be Hello"),
            (event(node_event::Event::Heartbeat(v1::Heartbeat::default())), "must be Hello"),
            (named(""), "set NODE_ID"),
            (named("../s01"), "is no NODE_ID"),
        ] {
            let refused = hello(first, String::new()).unwrap_err();
            assert!(refused.message().contains(want), "{refused}");
        }
        let taken = hello(named("s01"), "10.0.0.7:5".into()).unwrap();
        assert_eq!((taken.about.slots, taken.about.address.as_str()), (0, "10.0.0.7:5"));
    }

    #[test]
    fn a_result_for_a_path_that_cannot_be_is_left_out() {
        // Of three results one is usable; an outcome from the future counts as "again".
        let none = v1::FileResult::default;
        let file = |path: &str, outcome| v1::FileResult { stored_path: path.into(), outcome, ..none() };
        let files = vec![file("original/../x", 1), file("", 1), file("original/a.jpg", 99)];
        let progress = v1::CommandProgress { command_id: 3, files, ..v1::CommandProgress::default() };
        let said = news(event(node_event::Event::Progress(progress))).unwrap();
        let Some(News::Progress { command, files, .. }) = said else { panic!("not progress") };
        assert_eq!((command, files.len(), files[0].outcome), (CommandId(3), 1, Outcome::Retry));
    }

    #[test]
    fn what_a_target_refused_for_tells_which_attempts_count() {
        // The same outcome, told apart by the target's reason.
        use refusal::Reason;
        for (reason, want) in [
            (Reason::Busy, Outcome::Busy),
            (Reason::InsufficientStorage, Outcome::Full),
            (Reason::StaleAttempt, Outcome::Stale),
            (Reason::PoolUnhealthy, Outcome::Busy),
            (Reason::Unspecified, Outcome::Retry),
        ] {
            let mut file = v1::FileResult { stored_path: "original/a.jpg".into(), ..v1::FileResult::default() };
            file.set_outcome(file_result::Outcome::Retry);
            file.set_refusal(reason);
            assert_eq!(results(vec![file])[0].outcome, want);
        }
    }

    #[test]
    fn a_sentence_of_a_node_stays_one_short_line() {
        // Control characters and length can't reach logs and pages.
        let line = short("\u{1b}[31mä\n".repeat(5_000));
        assert!(line.len() <= MESSAGE_BYTES && !line.chars().any(char::is_control));
        assert_eq!(short("as it is".into()), "as it is");
    }
}
