//! The store's suite: whatever happens in whatever order, the books stay true.

mod ending;
mod pools;

use std::collections::{BTreeMap, BTreeSet};

use pixelfox_proto::NodeId;
use pixelfox_server::{
    catalog::{
        ChangeAsk, ChangeProgress, CheckAsk, CheckOutcome, CheckResult, DeleteAsk, Found, JobChange, JobFilter,
        LeasedJob, LostSession, PageAsk, PlanRule, PoolMoveAsk, PurgeOrder, SaveRule, Setback, SetbackKind,
        SourceFault, TrashOrder, TrashOutcome, TrashTask, UndoAsk, WhichJobs,
    },
    store::{AutoPools, Store},
};
use proptest::prelude::*;

use self::pools::{PoolChange, any_pool_change};
use crate::store_books::{Books, ask, at, done, draft, hello, image, node, pool, result, upload};

/// One thing that happens. Numbers choose among what there is.
#[derive(Clone, Copy, Debug)]
enum Event {
    Upload,
    Plan { first: u64, count: u64, back: bool },
    PlanPool { back: bool, limit: u64 },
    Slice,
    Lease { back: bool, jobs: u32 },
    Commit { which: usize },
    SetBack { which: usize, how: u8 },
    Trash { which: usize, how: u8 },
    Purge { of_s01: bool, bytes: Option<u64>, aged: bool },
    Delete { which: usize },
    Undo { which: usize },
    AskChecks { which: usize },
    Check { which: usize, how: u8 },
    DeletePool,
    ChangePool { of_s01: bool, how: PoolChange },
    Change { change: JobChange, which: usize },
    Queue { paused: bool },
    LoseSession { of_s01: bool },
    Attach { s01: bool },
    Crash,
}

fn any_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        3 => Just(Event::Upload),
        3 => (0_u64..12, 1_u64..5, any::<bool>()).prop_map(|(first, count, back)| Event::Plan { first, count, back }),
        2 => (any::<bool>(), 0_u64..4).prop_map(|(back, limit)| Event::PlanPool { back, limit }),
        3 => Just(Event::Slice),
        6 => (any::<bool>(), 1_u32..5).prop_map(|(back, jobs)| Event::Lease { back, jobs }),
        6 => any::<usize>().prop_map(|which| Event::Commit { which }),
        3 => (any::<usize>(), 0_u8..6).prop_map(|(which, how)| Event::SetBack { which, how }),
        6 => (any::<usize>(), 0_u8..5).prop_map(|(which, how)| Event::Trash { which, how }),
        4 => (any::<bool>(), any::<Option<u16>>(), any::<bool>())
            .prop_map(|(of_s01, bytes, aged)| Event::Purge { of_s01, bytes: bytes.map(u64::from), aged }),
        2 => any::<usize>().prop_map(|which| Event::Delete { which }),
        2 => any::<usize>().prop_map(|which| Event::Undo { which }),
        1 => any::<usize>().prop_map(|which| Event::AskChecks { which }),
        3 => (any::<usize>(), 0_u8..6).prop_map(|(which, how)| Event::Check { which, how }),
        2 => Just(Event::DeletePool),
        3 => (any::<bool>(), any_pool_change()).prop_map(|(of_s01, how)| Event::ChangePool { of_s01, how }),
        5 => (any_change(), any::<usize>()).prop_map(|(change, which)| Event::Change { change, which }),
        1 => any::<bool>().prop_map(|paused| Event::Queue { paused }),
        1 => any::<bool>().prop_map(|of_s01| Event::LoseSession { of_s01 }),
        2 => any::<bool>().prop_map(|s01| Event::Attach { s01 }),
        1 => Just(Event::Crash),
    ]
}

fn any_change() -> impl Strategy<Value = JobChange> {
    prop_oneof![Just(JobChange::Pause), Just(JobChange::Resume), Just(JobChange::Cancel), Just(JobChange::Retry)]
}

/// The books with what is under way outside of them.
struct World {
    books: Books,
    /// The pool of s01: another one whenever it could be deleted.
    second: u64,
    uploaded: u64,
    /// Images that were deleted.
    deleted: BTreeSet<u64>,
    now: i64,
    /// Every lease ever, so that late words come too.
    leased: Vec<LeasedJob>,
    orders: Vec<TrashOrder>,
    /// Highest generation that each path ever had.
    generations: BTreeMap<String, u64>,
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn the_books_stay_true_whatever_happens(events in proptest::collection::vec(any_event(), 1..70)) {
        // Uploads, plans, leases, commits early and late, failures, lost sessions and crashes in any order. After each
        // the counters are those of a recount and every image is in one place; in the end all work comes to its end.
        run(events, async { Books::sqlite().await });
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, max_shrink_iters: 50, ..ProptestConfig::default() })]

    #[test]
    fn the_books_in_postgresql_stay_true_whatever_happens(events in proptest::collection::vec(any_event(), 1..70)) {
        // The same, in the other database.
        run(events, async { Books::postgres().await });
    }
}

fn run(events: Vec<Event>, books: impl Future<Output = Books>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut world = World::new(books.await);
        for event in events {
            world = world.happen(event).await;
        }
        world.assert_true().await;
        world.settle_everything().await;
    });
}

fn chosen<T>(from: &[T], which: usize) -> Option<&T> {
    from.get(which.checked_rem(from.len())?)
}

impl World {
    fn new(books: Books) -> Self {
        Self {
            books,
            second: 2,
            uploaded: 0,
            deleted: BTreeSet::new(),
            now: 1,
            leased: Vec::new(),
            orders: Vec::new(),
            generations: BTreeMap::new(),
        }
    }

    async fn happen(mut self, event: Event) -> Self {
        self.now += 1;
        let store = self.books.store.clone();
        match event {
            Event::Upload => {
                self.uploaded += 1;
                store.commit_upload(upload(self.uploaded), at(self.now)).await.unwrap();
            }
            Event::Plan { first, count, back } => {
                let target = if back { 1 } else { self.second };
                let planned = store.plan_move_images(ask(first..first + count, target), at(self.now)).await;
                assert!(planned.is_err() || self.books.pool(target).await.is_active); // or where no image is known
            }
            Event::PlanPool { back, limit } => self.plan_pool(back, limit).await,
            Event::Slice => self.slices().await,
            Event::Lease { back, jobs } => self.lease(back, jobs).await,
            Event::Commit { which } => {
                if let Some(job) = chosen(&self.leased, which) {
                    let committed = store.commit_moves(vec![done(job)], at(self.now)).await.unwrap();
                    self.orders.extend(committed.trash);
                }
            }
            Event::SetBack { which, how } => {
                if let Some(job) = chosen(&self.leased, which) {
                    store.set_back(vec![setback(job, how, self.now)], at(self.now)).await.unwrap();
                }
            }
            Event::Trash { which, how } => {
                self.trash(which, how).await;
                self.due().await;
            }
            Event::Purge { of_s01, bytes, aged } => {
                let until = at(if aged { self.now - 10 } else { self.now });
                let pool = pool(if of_s01 { self.second } else { 1 });
                store.begin_purges(PurgeOrder { pool, until, bytes, copies: 3 }, vec![], at(self.now)).await.unwrap();
                self.due().await;
            }
            Event::Delete { which } => {
                self.delete(which).await;
                self.due().await;
            }
            Event::Undo { which } => self.undo(which).await,
            Event::AskChecks { which } => self.ask_checks(which).await,
            Event::Check { which, how } => self.check(which, how).await,
            Event::DeletePool => self.delete_pool().await,
            Event::ChangePool { of_s01, how } => self.change_pool(if of_s01 { self.second } else { 1 }, how).await,
            Event::Change { change, which } => {
                let jobs = store.list_jobs(JobFilter::default(), everything()).await.unwrap().items;
                if let Some(job) = chosen(&jobs, which) {
                    change_all(&store, change, WhichJobs::Ids(vec![job.id]), self.now).await;
                }
            }
            Event::Queue { paused: true } => drop(store.pause_queue(at(self.now)).await.unwrap()),
            Event::Queue { paused: false } => store.resume_queue(at(self.now)).await.unwrap(),
            Event::LoseSession { of_s01 } => {
                let (node, epoch) =
                    if of_s01 { (node("s01"), self.books.s01) } else { (node("local"), self.books.local) };
                store.return_lost(LostSession::Of { node, epoch }, at(self.now)).await.unwrap();
            }
            Event::Attach { s01 } => self.attach(s01).await,
            Event::Crash => {
                drop(store);
                self = self.crash().await;
            }
        }
        self.books.assert_counted().await;
        self
    }

    async fn crash(mut self) -> Self {
        self.books = self.books.reopen().await;
        self.books.store.return_lost(LostSession::Every, at(self.now)).await.unwrap();
        self.attach(true).await;
        self.attach(false).await;
        self
    }

    async fn delete(&mut self, which: usize) {
        let number = which as u64 % 12 + 1;
        if number <= self.uploaded && self.deleted.insert(number) {
            let ask = DeleteAsk { images: vec![image(number)], request_id: String::new() };
            self.books.store.delete_images(ask, at(self.now)).await.unwrap();
            assert!(self.books.store.get_image(image(number)).await.is_err(), "hidden at once");
        }
    }

    async fn trash(&self, which: usize, how: u8) {
        let Some(order) = chosen(&self.orders, which) else { return };
        let word = match how {
            0..=2 => done_with(order),
            3 => TrashOutcome::Missing,
            _ => TrashOutcome::Again(at(self.now + 5)),
        };
        self.books.store.finish_trash(vec![result(order, word)], at(self.now)).await.unwrap();
    }

    /// What a plan says is what its parent has.
    async fn plan_pool(&self, back: bool, limit: u64) {
        let (source, target) = if back { (pool(self.second), pool(1)) } else { (pool(1), pool(self.second)) };
        let ask = |rule| PoolMoveAsk { source, target, limit, rule, request_id: String::new() };
        if !self.books.pool(target.get()).await.is_active {
            for rule in [PlanRule::DryRun, PlanRule::Start] {
                self.books.store.plan_move_pool(ask(rule), at(self.now)).await.unwrap_err();
            }
            return;
        }
        let dry = self.books.store.plan_move_pool(ask(PlanRule::DryRun), at(self.now)).await.unwrap();
        let batch = self.books.store.plan_move_pool(ask(PlanRule::Start), at(self.now)).await.unwrap();
        assert_eq!((dry.images, dry.bytes, &dry.skipped), (batch.images, batch.bytes, &batch.skipped));
        let Some(parent) = batch.job else { return assert_eq!(batch.images, 0, "no job, but something to move") };
        let parent = self.books.store.get_job(parent).await.unwrap();
        assert_eq!((parent.children_total, parent.bytes_total), (batch.images, batch.bytes));
    }

    /// Some job taken back, where that is a move at all.
    async fn undo(&self, which: usize) {
        let jobs = self.books.store.list_jobs(JobFilter::default(), everything()).await.unwrap().items;
        if let Some(job) = chosen(&jobs, which) {
            let ask = UndoAsk { which: WhichJobs::Ids(vec![job.id]), request_id: String::new() };
            drop(self.books.store.plan_undo(ask, at(self.now)).await);
        }
    }

    /// Copies of an image that may be unknown, or what is in doubt in a pool.
    async fn ask_checks(&self, which: usize) {
        let number = which as u64 % 14;
        let ask = match number {
            0 => CheckAsk::Doubted(pool(1)),
            13 => CheckAsk::Doubted(pool(self.second)),
            number => CheckAsk::Images(vec![image(number)]),
        };
        let asked = self.books.store.ask_checks(ask, at(self.now)).await;
        let is_known = number == 0 || number == 13 || (number <= self.uploaded && !self.deleted.contains(&number));
        assert_eq!(asked.is_ok(), is_known, "{asked:?}");
    }

    /// A node's word on a copy that is due to be read; now and then on another generation of it.
    async fn check(&self, which: usize, how: u8) {
        let mut due = Vec::new();
        for number in [1, self.second] {
            due.extend(self.books.store.checks_due(pool(number), 100, at(self.now)).await.unwrap());
        }
        let Some(order) = chosen(&due, which) else { return };
        let (outcome, generation) = match how {
            0 => (CheckOutcome::Found(Found::Wrong), order.generation),
            1 => (CheckOutcome::Found(Found::Missing), order.generation),
            2 => (CheckOutcome::Again(at(self.now + 5)), order.generation),
            3 => (CheckOutcome::Found(Found::Missing), pixelfox_proto::Generation(order.generation.0 + 1)),
            _ => (CheckOutcome::Found(Found::Right), order.generation),
        };
        let word = CheckResult { pool: order.pool, path: order.path.clone(), generation, outcome };
        self.books.store.note_checks(vec![word], at(self.now)).await.unwrap();
    }

    /// The pool of s01 goes exactly where nothing of it is there and no open job names it; s01 gets another one then.
    async fn delete_pool(&mut self) {
        let (store, id) = (&self.books.store, pool(self.second));
        let usage = self.books.pool(self.second).await.usage;
        let holds = usage.images + usage.used_files + usage.trash_files + usage.reserved_bytes;
        let jobs = store.list_jobs(JobFilter::default(), everything()).await.unwrap().items;
        let open = jobs.iter().filter(|job| job.finished.is_none());
        let named = open.filter(|job| job.source == Some(id) || job.target == Some(id)).count();
        let deleted = store.delete_pool(id, at(self.now)).await;
        assert_eq!(deleted.is_ok(), holds == 0 && named == 0, "{usage:?}, {named} jobs: {deleted:?}");
        if deleted.is_ok() {
            let other = draft(&format!("img{}", self.now), "s01");
            let made = store.create_pool(other, SaveRule::Checked, at(self.now)).await.unwrap();
            self.second = made.into_pool().id.get();
        }
    }

    async fn slices(&self) {
        for parent in self.books.store.slices_due(at(self.now)).await.unwrap() {
            self.books.store.make_slice(parent, at(self.now)).await.unwrap();
        }
    }

    async fn attach(&mut self, s01: bool) {
        let name = if s01 { "s01" } else { "local" };
        let attached = self.books.store.attach_node(hello(name), AutoPools::ByHand, at(self.now)).await.unwrap();
        *(if s01 { &mut self.books.s01 } else { &mut self.books.local }) = attached.epoch;
        self.due().await;
    }

    async fn lease(&mut self, back: bool, jobs: u32) {
        let mut order = if back { self.books.order(self.second, 1) } else { self.books.order(1, self.second) };
        order.jobs = jobs;
        let before = self.books.pool(order.target.get()).await;
        let leased = self.books.store.lease_jobs(order, at(self.now)).await.unwrap().jobs;
        self.assert_heeds(&before, &leased).await;
        for job in leased {
            for file in &job.files {
                let highest = self.generations.entry(file.path.to_string()).or_insert(1);
                assert!(file.generation.0 > *highest, "a generation never comes twice");
                *highest = file.generation.0;
            }
            self.leased.push(job);
        }
    }

    /// Orders that the nodes are told now.
    async fn due(&mut self) {
        let nodes: [(NodeId, _); 2] = [(node("local"), self.books.local), (node("s01"), self.books.s01)];
        for (node, epoch) in nodes {
            let due = self.books.store.delete_orders_due(node.clone(), epoch, 100, at(self.now)).await.unwrap();
            self.orders.extend(due);
            let due = self.books.store.purge_orders_due(node, epoch, 100, at(self.now)).await.unwrap();
            self.orders.extend(due);
        }
    }
}

/// The word of a node that did as it was told.
fn done_with(order: &TrashOrder) -> TrashOutcome {
    match order.task {
        TrashTask::Trash => TrashOutcome::Trashed,
        TrashTask::Purge => TrashOutcome::Purged,
    }
}

fn everything() -> PageAsk {
    PageAsk { size: 1000, token: String::new() }
}

async fn change_all(store: &Store, change: JobChange, which: WhichJobs, now: i64) {
    let ask = ChangeAsk { change, which, request_id: String::new() };
    let mut progress = ChangeProgress::default();
    while !progress.over {
        progress = store.change_jobs(ask.clone(), progress, at(now)).await.unwrap().progress;
    }
}

fn setback(job: &LeasedJob, how: u8, now: i64) -> Setback {
    let path = job.files[0].path.clone();
    let (kind, sources) = match how {
        0 => (SetbackKind::Failed, vec![(path, SourceFault::Suspect)]),
        1 => (SetbackKind::WithoutOriginal, vec![(path, SourceFault::Lost)]),
        2 => (SetbackKind::Failed, Vec::new()),
        how => (SetbackKind::Again { not_before: at(now + 2), counted: how % 2 == 0 }, Vec::new()),
    };
    Setback { job: job.job, lease: job.lease, epoch: job.epoch, kind, cause: "a test".into(), sources }
}
