//! The messages of Attach, to and from the node's own words. Inward checks, outward can't fail.

mod probes;

use std::time::SystemTime;

use pixelfox_proto::{
    Attempt, Generation, JobId, Lease, NodeId, PROTOCOL, PoolId, RefusalReason, SessionEpoch, Sha256, Trace, v1,
};
use tonic::Streaming;
use v1::{coordinator_client::CoordinatorClient, file_result, node_command::Command as Wire, node_event::Event};

use crate::{
    coordinator::Way,
    pools::{NodePool, NodeSettings, PoolHome, PoolReport, Welcome},
    work::{
        Check, Command, CommandId, FileAt, FileEnd, Outcome, PoolFiles, PushFile, PushFiles, Reason, Report,
        RestoreFile, RestoreFiles, VerifyFiles,
    },
};

/// The client's end of the Coordinator service.
pub(super) type Client = CoordinatorClient<Way>;
/// What comes from the coordinator.
pub(super) type Commands = Streaming<v1::NodeCommand>;
/// A word to the coordinator.
pub(super) type Word = v1::NodeEvent;
/// A word from the coordinator, not yet understood.
pub(super) type Message = v1::NodeCommand;

/// What this node says of itself when it attaches.
#[derive(Clone, Debug)]
pub struct About {
    /// Its name.
    pub node_id: NodeId,
    /// Tells a restart from a second node with the same name.
    pub instance_id: String,
    /// Of this process alone.
    pub process_id: String,
    /// Directories that pools may lie under.
    pub storage_roots: Vec<String>,
    /// How many orders it works on at once; 0: takes none.
    pub slots: u32,
    /// As other nodes see it.
    pub node_url: String,
    /// As browsers see it.
    pub public_base_url: String,
    /// Directory of its first pool.
    pub uploads_dir: String,
    /// Of the pool that lay there when the node started; empty: none.
    pub uploads_dir_identity: String,
    /// What its environment deserves a word for.
    pub warnings: Vec<String>,
    /// Tells its UPLOAD_TOKEN_SECRET from others; `None`: it has none.
    pub upload_secret_tag: Option<Vec<u8>>,
}

/// A message from the coordinator, understood.
#[derive(Debug)]
pub(super) enum Incoming {
    /// Pools and settings, with the message as it came, to be kept for a restart.
    Welcome(Box<Welcome>),
    /// Something to do.
    Order(CommandId, Command),
    /// Something to stop doing; without jobs the whole order.
    Cancel(CommandId, Vec<JobId>),
    /// Something that this version can't do, or that makes no sense: answered with the sentence.
    Rejected(CommandId, String),
}

/// The first word on a session.
pub(super) fn hello(about: &About) -> v1::NodeEvent {
    event(Event::Hello(v1::Hello {
        node_id: about.node_id.to_string(),
        instance_id: about.instance_id.clone(),
        process_id: about.process_id.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        storage_roots: about.storage_roots.clone(),
        slots: about.slots,
        protocol: PROTOCOL,
        node_url: about.node_url.clone(),
        public_base_url: about.public_base_url.clone(),
        uploads_dir: about.uploads_dir.clone(),
        uploads_dir_identity: about.uploads_dir_identity.clone(),
        warnings: about.warnings.clone(),
        upload_secret_tag: about.upload_secret_tag.clone().unwrap_or_default(),
    }))
}

/// A sign of life.
/// The last word of a node that stops.
pub(super) fn leaving() -> v1::NodeEvent {
    event(Event::Leaving(v1::Leaving {}))
}

pub(super) fn heartbeat(pools: Vec<PoolReport>, running: u32, now: SystemTime) -> v1::NodeEvent {
    let pools = pools.into_iter().map(pool_report);
    event(Event::Heartbeat(v1::Heartbeat { pools: pools.collect(), running, now: Some(now.into()) }))
}

fn pool_report(report: PoolReport) -> v1::PoolReport {
    v1::PoolReport {
        trouble: probes::trouble(report.trouble).into(),
        pool_id: report.id.map_or(0, PoolId::get),
        healthy: report.healthy,
        problem: report.problem,
        filesystem_free: report.free,
        filesystem_total: report.total,
        unowned_bytes: report.unowned.bytes,
        unowned_files: report.unowned.files,
        impossible: report.impossible,
        wanted_bytes: report.wanted,
        filesystem_id: report.file_system,
        would_make: report.would_make,
    }
}

/// A word about an order.
pub(super) fn report(report: Report) -> v1::NodeEvent {
    event(match report {
        Report::Progress { command, bytes_done, files_done, files, flowing } => Event::Progress(v1::CommandProgress {
            command_id: command.0,
            bytes_done,
            files_done,
            files: files.into_iter().map(file_result).collect(),
            flowing: flowing.map(|(path, bytes_done, resumed_from)| v1::FileProgress {
                stored_path: path.into(),
                bytes_done,
                resumed_from,
            }),
        }),
        Report::Ended { command, files, error } => Event::Result(v1::CommandResult {
            command_id: command.0,
            files: files.into_iter().map(file_result).collect(),
            error: error.unwrap_or_default(),
            ..v1::CommandResult::default()
        }),
        Report::Probed { command, found } => Event::Result(probes::result(command, found)),
    })
}

fn event(event: Event) -> v1::NodeEvent {
    v1::NodeEvent { event: Some(event) }
}

fn file_result(end: FileEnd) -> v1::FileResult {
    let outcome = match end.outcome {
        Outcome::Done => file_result::Outcome::Done,
        Outcome::Skipped => file_result::Outcome::Skipped,
        Outcome::Missing => file_result::Outcome::Missing,
        Outcome::Mismatch => file_result::Outcome::Mismatch,
        Outcome::Refused => file_result::Outcome::Refused,
        Outcome::Retry => file_result::Outcome::Retry,
        Outcome::Stale => file_result::Outcome::Stale,
    };
    v1::FileResult {
        stored_path: end.path.into(),
        outcome: outcome.into(),
        size: end.size,
        sha256: end.sha256.map_or_else(Vec::new, |sha256| sha256.as_bytes().to_vec()),
        message: end.message,
        refusal: end.refusal.map_or(0, RefusalReason::to_wire),
    }
}

/// Understands a message.
pub(super) fn incoming(message: v1::NodeCommand) -> Incoming {
    let (id, trace) = (CommandId(message.command_id), Trace::parse(&message.traceparent));
    let order = |command: Result<Command, String>| match command {
        Ok(command) => Incoming::Order(id, command),
        Err(why) => Incoming::Rejected(id, why),
    };
    let unknown = |name: &str| Incoming::Rejected(id, format!("this version of the node does not know {name}"));
    match message.command {
        Some(Wire::Welcome(wire)) => match welcome(wire) {
            Ok(welcome) => Incoming::Welcome(Box::new(welcome)),
            Err(why) => Incoming::Rejected(id, why),
        },
        Some(Wire::Push(wire)) if wire.legacy => unknown("pushes to an older PixelFox"),
        Some(Wire::Push(wire)) => order(push(wire, trace).map(Command::Push)),
        Some(Wire::Delete(wire)) => order(pool_files(wire.pool_id, &wire.files, trace).map(Command::Trash)),
        Some(Wire::Purge(wire)) => order(pool_files(wire.pool_id, &wire.files, trace).map(Command::Purge)),
        Some(Wire::Restore(wire)) => order(restore(&wire, trace).map(Command::Restore)),
        Some(Wire::Verify(wire)) => order(verify(wire).map(Command::Verify)),
        Some(Wire::Cancel(wire)) => {
            let jobs = wire.job_ids.into_iter().filter_map(|job| JobId::try_from(job).ok()).collect();
            Incoming::Cancel(CommandId(wire.command_id), jobs)
        }
        Some(Wire::Variants(_)) => unknown("MakeVariants"),
        Some(Wire::ProbePool(wire)) => order(probes::pool(wire).map(Command::Probe)),
        Some(Wire::ProbeTarget(wire)) => order(Ok(Command::Probe(probes::target(wire)))),
        None => unknown("this command"),
    }
}

/// Pools and settings.
///
/// # Errors
/// A sentence that names what makes no sense.
pub(super) fn welcome(wire: v1::Welcome) -> Result<Welcome, String> {
    let settings = wire.settings.ok_or("a Welcome without settings")?;
    Ok(Welcome {
        epoch: SessionEpoch(wire.session_epoch),
        pools: wire.pools.into_iter().map(node_pool).collect::<Result<_, _>>()?,
        elsewhere: wire.elsewhere.into_iter().map(pool_home).collect::<Result<_, _>>()?,
        settings: NodeSettings {
            require_checksum: settings.replication_require_checksum,
            upload_max_bytes: settings.upload_max_bytes,
            rate_limit_per_ip: settings.upload_rate_limit_per_ip,
            rate_limit_per_user: settings.upload_rate_limit_per_user,
            move_bandwidth: settings.move_bandwidth,
            move_slots: settings.move_slots,
            direct_upload: settings.direct_upload_enabled,
            strip_location: settings.strip_location,
            reserve_bytes: settings.reserve_bytes,
            public_uploads: settings.public_uploads,
            revision: settings.revision,
        },
        lease_floor: Lease(wire.lease_floor),
    })
}

/// A Welcome as it is kept for a restart, in the encoding of the wire. What changes with every upload (sizes) and what
/// only counts at once (`initialize`) is left out.
pub(super) fn encode_welcome(welcome: &Welcome) -> Vec<u8> {
    use prost::Message as _;
    let settings = &welcome.settings;
    let wire = v1::Welcome {
        session_epoch: welcome.epoch.0,
        pools: welcome.pools.iter().map(wire_pool).collect(),
        settings: Some(v1::NodeSettings {
            replication_require_checksum: settings.require_checksum,
            upload_max_bytes: settings.upload_max_bytes,
            upload_rate_limit_per_ip: settings.rate_limit_per_ip,
            upload_rate_limit_per_user: settings.rate_limit_per_user,
            move_bandwidth: settings.move_bandwidth,
            move_slots: settings.move_slots,
            direct_upload_enabled: settings.direct_upload,
            strip_location: settings.strip_location,
            reserve_bytes: settings.reserve_bytes,
            public_uploads: settings.public_uploads,
            revision: settings.revision,
        }),
        elsewhere: welcome
            .elsewhere
            .iter()
            .map(|home| v1::PoolHome {
                pool_id: home.id.get(),
                node_id: home.node_id.to_string(),
                public_base_url: home.public_base_url.clone(),
                name: home.name.clone(),
            })
            .collect(),
        lease_floor: welcome.lease_floor.0,
    };
    wire.encode_to_vec()
}

/// What [`encode_welcome`] made.
///
/// # Errors
/// A sentence: the kept file is damaged.
pub(super) fn decode_welcome(kept: &[u8]) -> Result<Welcome, String> {
    use prost::Message as _;
    welcome(v1::Welcome::decode(kept).map_err(|error| error.to_string())?)
}

fn node_pool(wire: v1::NodePool) -> Result<NodePool, String> {
    Ok(NodePool {
        id: pool_id(wire.pool_id)?,
        name: wire.name,
        base_path: wire.base_path.into(),
        identity: wire.identity,
        max_size: wire.max_size,
        public_base_url: wire.public_base_url,
        initialize: wire.initialize,
        used_size: wire.used_size,
        reserved_size: wire.reserved_size,
        is_active: wire.is_active,
        legacy_pool_id: (wire.legacy_pool_id != 0).then_some(wire.legacy_pool_id),
        retired: wire.retired,
        facts: wire.facts.map(Into::into).unwrap_or_default(),
    })
}

fn wire_pool(pool: &NodePool) -> v1::NodePool {
    v1::NodePool {
        pool_id: pool.id.get(),
        name: pool.name.clone(),
        base_path: pool.base_path.to_string_lossy().into_owned(),
        identity: pool.identity.clone(),
        max_size: pool.max_size,
        public_base_url: pool.public_base_url.clone(),
        initialize: false, // only ever on the coordinator's own word, never on a remembered one
        used_size: 0,
        reserved_size: 0,
        is_active: pool.is_active,
        legacy_pool_id: pool.legacy_pool_id.unwrap_or(0),
        retired: Vec::new(),
        facts: Some(pool.facts.clone().into()),
    }
}

fn pool_home(wire: v1::PoolHome) -> Result<PoolHome, String> {
    let node_id = wire.node_id.parse().map_err(|error: pixelfox_proto::IdError| error.to_string())?;
    Ok(PoolHome { id: pool_id(wire.pool_id)?, node_id, public_base_url: wire.public_base_url, name: wire.name })
}

fn pool_id(raw: u64) -> Result<PoolId, String> {
    PoolId::try_from(raw).map_err(|error| error.to_string())
}

fn digest(raw: &[u8], path: &str) -> Result<Sha256, String> {
    Sha256::try_from(raw).map_err(|error| format!("{path}: {error}"))
}

fn stored_path(raw: &str) -> Result<pixelfox_proto::StoredPath, String> {
    raw.parse().map_err(|error| format!("{}: {error}", raw.escape_debug().take(200).collect::<String>()))
}

fn push(wire: v1::PushFiles, command: Option<Trace>) -> Result<PushFiles, String> {
    let file = |file: v1::PushFile| -> Result<PushFile, String> {
        let path = stored_path(&file.stored_path)?;
        let attempt = file.attempt.ok_or_else(|| format!("{path}: a push without its attempt"))?;
        Ok(PushFile {
            size: file.size,
            sha256: digest(&file.sha256, path.as_str())?,
            attempt: Attempt::try_from(attempt).map_err(|error| format!("{path}: {error}"))?,
            meta: file.meta.unwrap_or_default().into(),
            trace: Trace::parse(&file.traceparent).or(command),
            path,
        })
    };
    Ok(PushFiles {
        source: pool_id(wire.source_pool_id)?,
        target: pool_id(wire.target_pool_id)?,
        target_url: wire.target_url,
        files: wire.files.into_iter().map(file).collect::<Result<_, _>>()?,
    })
}

fn file_at(wire: &v1::DeleteFile, command: Option<Trace>) -> Result<FileAt, String> {
    Ok(FileAt {
        path: stored_path(&wire.stored_path)?,
        generation: Generation(wire.generation),
        lease: (wire.lease != 0).then_some(Lease(wire.lease)),
        reason: if wire.given_up { Reason::GivenUp } else { Reason::Settled },
        trace: Trace::parse(&wire.traceparent).or(command),
    })
}

fn pool_files(pool: u64, files: &[v1::DeleteFile], command: Option<Trace>) -> Result<PoolFiles, String> {
    let files = files.iter().map(|file| file_at(file, command));
    Ok(PoolFiles { pool: pool_id(pool)?, files: files.collect::<Result<_, _>>()? })
}

fn restore(wire: &v1::RestoreFiles, command: Option<Trace>) -> Result<RestoreFiles, String> {
    if wire.files.len() != wire.new_generations.len() {
        return Err("a restore whose files and generations differ in number".into());
    }
    let both = wire.files.iter().zip(&wire.new_generations).enumerate();
    let job = |at: usize| wire.job_ids.get(at).and_then(|job| JobId::try_from(*job).ok());
    let file = |(at, (file, new)): (usize, (&v1::DeleteFile, &u64))| {
        Ok(RestoreFile { file: file_at(file, command)?, restored: Generation(*new), job: job(at) })
    };
    Ok(RestoreFiles {
        pool: pool_id(wire.pool_id)?,
        files: both.map(file).collect::<Result<_, String>>()?,
        check: if wire.verify { Check::Bytes } else { Check::Mark },
    })
}

fn verify(wire: v1::VerifyFiles) -> Result<VerifyFiles, String> {
    let file =
        |file: v1::PushFile| Ok((stored_path(&file.stored_path)?, file.size, digest(&file.sha256, &file.stored_path)?));
    Ok(VerifyFiles {
        pool: pool_id(wire.pool_id)?,
        files: wire.files.into_iter().map(file).collect::<Result<_, String>>()?,
    })
}
