//! `Watch`: the present state, then every change. What is told is read when it is told, so that whoever reads slowly
//! gets the latest of each object; nothing that happens ever waits for a watcher.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use futures_util::{Stream, stream};
use pixelfox_proto::{Fault, FaultKind, ImageId, text, v1};
use tokio::time::Instant;
use tonic::Status;

use super::AdminService;
use crate::catalog::{Image, JobFilter, JobKind, JobState, PageAsk};
use crate::clock;
use crate::events::{Batch, Event, Subject, Watcher};
use crate::grpc::wire::{self, watch::Topics};

/// Between two reads for one watcher: what happens meanwhile is told together.
const GATHER: Duration = Duration::from_millis(100);

/// One watcher.
struct Feed {
    service: AdminService,
    watcher: Watcher,
    topics: Topics,
    /// Not yet taken by the connection.
    ready: VecDeque<v1::Event>,
    /// The state is to be told.
    anew: bool,
    read: Option<Instant>,
    _seat: super::seats::Seat,
}

impl AdminService {
    pub(super) fn feed(
        &self,
        request: &v1::WatchRequest,
    ) -> Result<impl Stream<Item = Result<v1::Event, Status>> + Send + use<>, Fault> {
        use super::seats::Full;
        let topics = wire::watch::topics(&request.topics)?;
        let seat = self.watchers.take(self.rooms.store.actor()).map_err(|full| {
            let message = match full {
                Full::All(most) => text!(
                    de "es sehen schon {most} zu; eine der offenen Seiten schließen",
                    en "{most} watchers are there already; close one of them"
                ),
                Full::Own(most) => text!(
                    de "dieses Konto sieht schon auf {most} Seiten zu; eine davon schließen",
                    en "this account watches {most} times already; close one of them"
                ),
            };
            Fault::new(FaultKind::TooManyRequests, message)
        })?;
        let watcher = self.rooms.events.watch_only(topics.wanted());
        let (service, ready) = (self.clone(), VecDeque::new());
        let feed = Feed { service, watcher, topics, ready, anew: true, read: None, _seat: seat };
        Ok(stream::unfold(feed, |mut feed| async move {
            let next = feed.next().await?;
            Some((next, feed))
        }))
    }
}

impl Feed {
    /// `None` when the server stops.
    async fn next(&mut self) -> Option<Result<v1::Event, Status>> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(Ok(event));
            }
            let sessions = self.service.rooms.sessions.clone();
            let read = tokio::select! {
                biased;
                () = sessions.stopping() => return None,
                read = self.read() => read,
            };
            match read {
                Ok(events) => self.ready.extend(events),
                Err(fault) => return Some(Err(fault.into())),
            }
        }
    }

    async fn read(&mut self) -> Result<Vec<v1::Event>, Fault> {
        if let Some(read) = self.read {
            tokio::time::sleep_until(read + GATHER).await;
        }
        let state = std::mem::take(&mut self.anew);
        let batch = if state { Batch::default() } else { self.watcher.batch().await };
        self.read = Some(Instant::now());
        let mut events = if state || batch.read_anew { self.state().await? } else { Vec::new() };
        events.extend(self.changes(batch.events).await?);
        Ok(events)
    }

    /// What is there: settings, nodes, pools, and parents that are under way.
    async fn state(&self) -> Result<Vec<v1::Event>, Fault> {
        let (service, topics) = (&self.service, self.topics);
        let mut whats = Vec::new();
        if topics.settings {
            whats.push(v1::event::What::Settings(service.settings().await?));
        }
        if topics.node {
            whats.extend(service.nodes().await?.nodes.into_iter().map(v1::event::What::Node));
        }
        if topics.pool {
            whats.extend(service.pools().await?.pools.into_iter().map(v1::event::What::Pool));
        }
        if topics.job {
            for kind in [JobKind::MoveImages, JobKind::MovePool, JobKind::DeleteImages, JobKind::Undo] {
                for state in [JobState::Processing, JobState::Paused] {
                    let filter = JobFilter { kind: Some(kind), state: Some(state), ..JobFilter::default() };
                    let page = PageAsk { size: PageAsk::MAX, token: String::new() };
                    let jobs = service.rooms.store.list_jobs(filter, page).await?.items;
                    whats.extend(service.shown_jobs(jobs).await?.into_iter().map(v1::event::What::Job));
                }
            }
        }
        Ok(whats.into_iter().map(|what| wire::watch::state(what, clock::now())).collect())
    }

    /// Each event with its object as it is now; without one where that is gone.
    async fn changes(&self, events: Vec<Event>) -> Result<Vec<v1::Event>, Fault> {
        let objects = Objects::read(&self.service, &events).await?;
        Ok(events
            .into_iter()
            .map(|event| wire::watch::event(objects.of(&event.subject), event, clock::now()))
            .collect())
    }
}

/// What events are about, read at once.
#[derive(Default)]
struct Objects {
    jobs: BTreeMap<u64, v1::Job>,
    images: BTreeMap<ImageId, v1::Image>,
    nodes: Vec<v1::Node>,
    pools: Vec<v1::Pool>,
    settings: Option<v1::Settings>,
}

impl Objects {
    async fn read(service: &AdminService, events: &[Event]) -> Result<Self, Fault> {
        let (mut jobs, mut images, mut objects) = (Vec::new(), Vec::new(), Self::default());
        let (mut nodes, mut pools, mut settings) = (false, false, false);
        for event in events {
            match &event.subject {
                Subject::Job(job) => jobs.push(*job),
                Subject::Image(image) => images.push(*image),
                Subject::Node(_) => nodes = true,
                Subject::Pool(_) => pools = true,
                Subject::Settings => settings = true,
                Subject::Audit => {} // its rows are asked for
            }
        }
        if !jobs.is_empty() {
            let jobs = service.shown_jobs(service.rooms.store.get_jobs(&jobs).await?).await?;
            objects.jobs = jobs.into_iter().map(|job| (job.id, job)).collect();
        }
        if !images.is_empty() {
            let images = service.rooms.store.get_images(&images).await?;
            let shown = |image: Image| (image.id, wire::image::image(image, &service.rooms.public_domain));
            objects.images = images.into_iter().map(shown).collect();
        }
        if nodes {
            objects.nodes = service.nodes().await?.nodes;
        }
        if pools {
            objects.pools = service.pools().await?.pools;
        }
        if settings {
            objects.settings = Some(service.settings().await?);
        }
        Ok(objects)
    }

    fn of(&self, subject: &Subject) -> Option<v1::event::What> {
        use v1::event::What;
        match subject {
            Subject::Job(id) => self.jobs.get(&id.get()).cloned().map(What::Job),
            Subject::Image(id) => self.images.get(id).cloned().map(What::Image),
            Subject::Node(id) => self.nodes.iter().find(|node| node.node_id == id.as_str()).cloned().map(What::Node),
            Subject::Pool(id) => self.pools.iter().find(|pool| pool.id == id.get()).cloned().map(What::Pool),
            Subject::Settings => self.settings.map(What::Settings),
            Subject::Audit => None,
        }
    }
}
