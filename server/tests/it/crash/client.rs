//! Someone who uploads, moves and deletes, and remembers what was acknowledged. Calls that a crash cut off are asked
//! again, under the same request id; an upload that was cut off is none.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

use parking_lot::Mutex;
use pixelfox_proto::{
    Claims, Sha256,
    v1::{
        ChangeJobsRequest, DeleteImagesRequest, GetImageRequest, Image, Job, ListJobsRequest, MoveImagesRequest,
        MovePoolRequest, PauseQueueRequest, ResumeQueueRequest, Settings, UpdateSettingsRequest, VerifyImagesRequest,
    },
};
use tonic::{Code, Status};

use super::cluster::Role;
use crate::{
    checker::{Acknowledged, Excuses},
    harness::{Admin, admin_at, http_client, png},
    programs::{ADMIN_TOKEN, TOKEN_SECRET},
};

/// A call that nobody has answered by then never will be.
const ASK: Duration = Duration::from_secs(60);

/// What the cluster has said.
#[derive(Clone, Debug, Default)]
pub(super) struct Told {
    pub(super) acknowledged: Vec<Acknowledged>,
    pub(super) deleted: BTreeSet<String>,
    pub(super) excuses: Excuses,
}

/// An image as its uploader knows it.
#[derive(Clone, Debug)]
pub(super) struct Upload {
    pub(super) uuid: String,
    pub(super) path: String,
    pub(super) bytes: Vec<u8>,
}

#[derive(Clone)]
pub(super) struct Client {
    addresses: [String; 3],
    folder: PathBuf,
    http: reqwest::Client,
    told: Arc<Mutex<Told>>,
    /// Moves that were planned.
    moves: Arc<Mutex<Vec<u64>>>,
    numbers: Arc<AtomicU32>,
}

impl Client {
    pub(super) fn new(addresses: [String; 3], folder: PathBuf) -> Self {
        Self {
            addresses,
            folder,
            http: http_client(),
            told: Arc::default(),
            moves: Arc::default(),
            numbers: Arc::default(),
        }
    }

    pub(super) fn address(&self, role: Role) -> String {
        self.addresses[role as usize].clone()
    }

    pub(super) fn told(&self) -> Told {
        self.told.lock().clone()
    }

    pub(super) fn admin(&self) -> Admin {
        admin_at(&self.address(Role::Server), ADMIN_TOKEN)
    }

    pub(super) fn pool_dir(&self, role: Role) -> PathBuf {
        self.folder.join("uploads").join(role.node())
    }

    /// A number that no other caller gets.
    pub(super) fn number(&self) -> u32 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    /// A picture that nobody has yet.
    pub(super) fn picture(&self, padding: usize) -> Vec<u8> {
        png(self.number(), padding)
    }

    /// Uploads to a node. `None`: not acknowledged.
    pub(super) async fn upload(&self, to: Role, bytes: &[u8]) -> Option<Upload> {
        let exp = pixelfox_node::clock::unix_seconds() + 600;
        let claims = Claims {
            user_id: 7,
            pool_id: to.pool(),
            max_bytes: 1 << 30,
            exp,
            via: Some(pixelfox_proto::Via::App),
            visitor: None,
            settings: None,
        };
        let part = reqwest::multipart::Part::bytes(bytes.to_vec()).file_name("picture.png");
        let request = self.http.post(format!("http://{}/api/internal/upload", self.address(to)));
        let request = request.bearer_auth(claims.mint(TOKEN_SECRET.as_bytes()));
        let answer = request.multipart(reqwest::multipart::Form::new().part("file", part)).send().await.ok()?;
        if answer.status() != 200 {
            return None;
        }
        let answer: serde_json::Value = answer.json().await.ok()?;
        let uuid = answer["image_uuid"].as_str().unwrap().to_owned();
        let path = answer["url"].as_str().unwrap().split("/uploads/").nth(1).unwrap().to_owned();
        let acknowledged = Acknowledged { uuid: uuid.clone(), sha256: Sha256::of(bytes).to_string() };
        self.told.lock().acknowledged.push(acknowledged);
        Some(Upload { uuid, path, bytes: bytes.to_vec() })
    }

    /// Uploads the same bytes until that is acknowledged: by a node that starts, or starts again.
    pub(super) async fn upload_at_last(&self, to: Role, bytes: &[u8]) -> Upload {
        let until = Instant::now() + ASK;
        loop {
            if let Some(upload) = self.upload(to, bytes).await {
                return upload;
            }
            assert!(Instant::now() < until, "no upload is acknowledged");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// This image's bytes are spoiled on the disk itself.
    pub(super) fn excuse(&self, upload: &Upload) {
        self.told.lock().excuses.spoiled.insert(upload.uuid.clone());
    }

    /// Jobs may fail from now on.
    pub(super) fn excuse_failures(&self) {
        self.told.lock().excuses.failed_jobs = true;
    }

    /// Plans a move, however often that takes. The parent's number; 0 where nothing was left to move.
    pub(super) async fn move_to(&self, uuids: &[String], target: Role) -> u64 {
        let request = MoveImagesRequest {
            uuids: uuids.to_vec(),
            target_pool_id: target.pool(),
            request_id: format!("move {}", self.number()),
            ..MoveImagesRequest::default()
        };
        let ask = async || Ok(self.admin().move_images(request.clone()).await?.into_inner().job_id);
        let parent = self.ask(ask).await;
        self.moves.lock().push(parent);
        parent
    }

    /// Has whatever has been moved taken back, as soon as there is anything. A call that was cut off may have been carried
    /// out: it is asked again as it was, and only what was refused is chosen anew.
    pub(super) async fn undo(&self) {
        let until = Instant::now() + ASK;
        loop {
            let ids = self.moves.lock().iter().rev().filter(|parent| **parent > 0).take(6).copied().collect();
            let request_id = format!("undo {}", self.number());
            let request = ChangeJobsRequest { ids, request_id, ..ChangeJobsRequest::default() };
            let refused = self
                .ask(async || match self.admin().undo_moves(request.clone()).await {
                    Err(status) if matches!(status.code(), Code::Unavailable | Code::Unknown) => Err(status),
                    answer => Ok(answer.err()),
                })
                .await;
            let Some(status) = refused else { return };
            assert!(Instant::now() < until, "nothing can be taken back: {status:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Holds the queue up and lets it go on.
    pub(super) async fn hold_up(&self) {
        self.ask(async || self.admin().pause_queue(PauseQueueRequest {}).await).await;
        self.ask(async || self.admin().resume_queue(ResumeQueueRequest {}).await).await;
    }

    /// Plans a move of a pool's oldest images, however often that takes.
    pub(super) async fn move_some(&self, from: Role, to: Role, limit: u64) -> u64 {
        let (source_pool_id, target_pool_id) = (from.pool(), to.pool());
        let request_id = format!("move {}", self.number());
        let request = MovePoolRequest { source_pool_id, target_pool_id, limit, request_id, dry_run: false };
        self.ask(async || Ok(self.admin().move_pool(request.clone()).await?.into_inner().job_id)).await
    }

    /// Has images deleted, however often that takes.
    pub(super) async fn delete(&self, uuids: &[String]) {
        if uuids.is_empty() {
            return;
        }
        let request_id = format!("delete {}", self.number());
        let request = DeleteImagesRequest { uuids: uuids.to_vec(), request_id };
        self.ask(async || self.admin().delete_images(request.clone()).await).await;
        self.told.lock().deleted.extend(uuids.iter().cloned());
    }

    /// Calls a job off, however often that takes; 0 is none.
    pub(super) async fn cancel(&self, job: u64) {
        if job == 0 {
            return;
        }
        let request_id = format!("cancel {}", self.number());
        let request = ChangeJobsRequest { ids: vec![job], request_id, ..ChangeJobsRequest::default() };
        self.ask(async || self.admin().cancel_jobs(request.clone()).await).await;
    }

    /// Calls off the moves of these images.
    pub(super) async fn call_off(&self, uuids: &[String]) {
        let parents: Vec<u64> = self.moves.lock().iter().rev().copied().filter(|parent| *parent > 0).take(6).collect();
        for id in parents {
            if !self.jobs(id).await.iter().any(|job| uuids.contains(&job.image_uuid)) {
                continue;
            }
            let request = ChangeJobsRequest { ids: vec![id], ..ChangeJobsRequest::default() };
            self.ask(async || match self.admin().cancel_jobs(request.clone()).await {
                Err(status) if status.code() == Code::FailedPrecondition => Ok(()), // it has ended
                answer => answer.map(drop),
            })
            .await;
        }
    }

    /// Sets how many bytes per second nodes send; 0: as many as they can.
    pub(super) async fn limit_moves(&self, bytes: u64) {
        self.set(Settings { move_bandwidth_per_node: Some(bytes), ..Settings::default() }).await;
    }

    /// Sets for how many hours old copies are kept.
    pub(super) async fn keep_trash(&self, hours: u32) {
        self.set(Settings { trash_hours: Some(hours), ..Settings::default() }).await;
    }

    /// Changes settings.
    pub(super) async fn set(&self, settings: Settings) {
        let request = UpdateSettingsRequest { settings: Some(settings) };
        self.ask(async || self.admin().update_settings(request).await).await;
    }

    /// Has the copies of these images read.
    pub(super) async fn verify(&self, uuids: &[String]) {
        let request = VerifyImagesRequest { uuids: uuids.to_vec(), pool_id: 0 };
        self.ask(async || self.admin().verify_images(request.clone()).await).await;
    }

    /// Asks until somebody answers.
    pub(super) async fn ask<T>(&self, call: impl AsyncFn() -> Result<T, Status>) -> T {
        let until = Instant::now() + ASK;
        loop {
            match call().await {
                Ok(answer) => return answer,
                Err(status) => assert!(Instant::now() < until, "nobody answers: {status:?}"),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// As the coordinator knows it.
    pub(super) async fn image(&self, uuid: &str) -> Image {
        self.ask(async || Ok(self.admin().get_image(GetImageRequest { uuid: uuid.into() }).await?.into_inner())).await
    }

    /// The children of a job.
    pub(super) async fn jobs(&self, parent: u64) -> Vec<Job> {
        let request = ListJobsRequest { parent_id: parent, page_size: 1000, ..ListJobsRequest::default() };
        self.ask(async || Ok(self.admin().list_jobs(request.clone()).await?.into_inner().jobs)).await
    }
}

/// Writes a file as somebody who has nothing to do with us.
pub(super) fn place_by_hand(at: &Path, bytes: &[u8]) {
    std::fs::create_dir_all(at.parent().unwrap()).unwrap();
    std::fs::write(at, bytes).unwrap();
}
