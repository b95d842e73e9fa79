//! The generated trait, method by method: who may, then the one room that knows.

use std::pin::Pin;

use futures_util::Stream;
use pixelfox_proto::v1::{self, admin_server::Admin};
use tonic::{Request, Response, Status};

use super::AdminService;
use crate::catalog::JobChange;
use crate::grpc::language::wanted;
use crate::settle::QueueState;

/// What a streaming method gives.
type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

impl AdminService {
    /// The service as whoever asks: what is changed through it is that one's doing.
    fn may<T>(&self, request: &Request<T>) -> Result<Self, Status> {
        let actor = self.operators_only.check(request)?;
        let mut this = self.clone();
        this.language = wanted(request.metadata().as_ref());
        this.rooms.store = this.rooms.store.by(actor.clone());
        this.rooms.settle = this.rooms.settle.by(actor);
        Ok(this)
    }
}

#[tonic::async_trait]
impl Admin for AdminService {
    async fn get_overview(&self, request: Request<v1::GetOverviewRequest>) -> Result<Response<v1::Overview>, Status> {
        let this = self.may(&request)?;
        Ok(Response::new(this.overview().await?))
    }

    async fn list_pools(
        &self,
        request: Request<v1::ListPoolsRequest>,
    ) -> Result<Response<v1::ListPoolsResponse>, Status> {
        let this = self.may(&request)?;
        Ok(Response::new(this.pools().await?))
    }

    async fn get_pool(&self, request: Request<v1::GetPoolRequest>) -> Result<Response<v1::Pool>, Status> {
        let this = self.may(&request)?;
        Ok(Response::new(this.pool(request.into_inner()).await?))
    }

    async fn create_pool(&self, request: Request<v1::CreatePoolRequest>) -> Result<Response<v1::Pool>, Status> {
        let this = self.may(&request)?;
        Ok(this.make_pool(request.into_inner()).await?)
    }

    async fn update_pool(&self, request: Request<v1::UpdatePoolRequest>) -> Result<Response<v1::Pool>, Status> {
        let this = self.may(&request)?;
        Ok(Response::new(this.change_pool(request.into_inner()).await?))
    }

    async fn list_nodes(
        &self,
        request: Request<v1::ListNodesRequest>,
    ) -> Result<Response<v1::ListNodesResponse>, Status> {
        let this = self.may(&request)?;
        Ok(Response::new(this.nodes().await?))
    }

    async fn list_images(
        &self,
        request: Request<v1::ListImagesRequest>,
    ) -> Result<Response<v1::ListImagesResponse>, Status> {
        let this = self.may(&request)?;
        Ok(Response::new(this.images(request.into_inner()).await?))
    }

    async fn get_image(&self, request: Request<v1::GetImageRequest>) -> Result<Response<v1::Image>, Status> {
        let this = self.may(&request)?;
        Ok(Response::new(this.image(request.get_ref()).await?))
    }

    async fn move_images(&self, request: Request<v1::MoveImagesRequest>) -> Result<Response<v1::JobBatch>, Status> {
        let this = self.may(&request)?;
        Ok(Response::new(this.move_these(request.into_inner()).await?))
    }

    async fn list_jobs(&self, request: Request<v1::ListJobsRequest>) -> Result<Response<v1::ListJobsResponse>, Status> {
        let this = self.may(&request)?;
        Ok(Response::new(this.jobs(request.into_inner()).await?))
    }

    async fn get_job(&self, request: Request<v1::GetJobRequest>) -> Result<Response<v1::Job>, Status> {
        let this = self.may(&request)?;
        Ok(Response::new(this.job(request.into_inner()).await?))
    }

    async fn get_settings(&self, request: Request<v1::GetSettingsRequest>) -> Result<Response<v1::Settings>, Status> {
        let this = self.may(&request)?;
        Ok(Response::new(this.settings().await?))
    }

    async fn update_settings(
        &self,
        request: Request<v1::UpdateSettingsRequest>,
    ) -> Result<Response<v1::Settings>, Status> {
        let this = self.may(&request)?;
        Ok(Response::new(this.change_settings(request.into_inner()).await?))
    }

    async fn delete_pool(
        &self,
        request: Request<v1::DeletePoolRequest>,
    ) -> Result<Response<v1::DeletePoolResponse>, Status> {
        let this = self.may(&request)?;
        Ok(Response::new(this.drop_pool(request.into_inner()).await?))
    }

    async fn replace_pool_disk(
        &self,
        request: Request<v1::ReplacePoolDiskRequest>,
    ) -> Result<Response<v1::ReplacePoolDiskResponse>, Status> {
        let this = self.may(&request)?;
        Ok(Response::new(this.replace_disk(request.into_inner()).await?))
    }

    async fn check_pool(
        &self,
        request: Request<v1::CheckPoolRequest>,
    ) -> Result<Response<v1::CheckPoolResponse>, Status> {
        let this = self.may(&request)?;
        Ok(Response::new(this.check(request.into_inner()).await?))
    }

    async fn check_pool_draft(
        &self,
        request: Request<v1::CheckPoolDraftRequest>,
    ) -> Result<Response<v1::PoolFindings>, Status> {
        let this = self.may(&request)?;
        Ok(Response::new(this.check_draft(request.into_inner()).await?))
    }

    async fn recalculate_usage(
        &self,
        request: Request<v1::RecalculateUsageRequest>,
    ) -> Result<Response<v1::RecalculateUsageResponse>, Status> {
        let this = self.may(&request)?;
        Ok(Response::new(this.recount(request.into_inner()).await?))
    }

    async fn delete_images(&self, request: Request<v1::DeleteImagesRequest>) -> Result<Response<v1::JobBatch>, Status> {
        let this = self.may(&request)?;
        Ok(Response::new(this.delete_these(request.into_inner()).await?))
    }

    async fn verify_images(
        &self,
        request: Request<v1::VerifyImagesRequest>,
    ) -> Result<Response<v1::VerifyImagesResponse>, Status> {
        let this = self.may(&request)?;
        Ok(Response::new(this.verify_these(request.get_ref()).await?))
    }

    async fn move_pool(&self, request: Request<v1::MovePoolRequest>) -> Result<Response<v1::JobBatch>, Status> {
        let this = self.may(&request)?;
        Ok(Response::new(this.move_all(request.into_inner()).await?))
    }

    async fn undo_moves(&self, request: Request<v1::ChangeJobsRequest>) -> Result<Response<v1::JobBatch>, Status> {
        let this = self.may(&request)?;
        Ok(Response::new(this.undo(request.into_inner()).await?))
    }

    async fn retry_jobs(
        &self,
        request: Request<v1::ChangeJobsRequest>,
    ) -> Result<Response<v1::ChangeJobsResponse>, Status> {
        let this = self.may(&request)?;
        Ok(Response::new(this.change_jobs(JobChange::Retry, request.into_inner()).await?))
    }

    async fn cancel_jobs(
        &self,
        request: Request<v1::ChangeJobsRequest>,
    ) -> Result<Response<v1::ChangeJobsResponse>, Status> {
        let this = self.may(&request)?;
        Ok(Response::new(this.change_jobs(JobChange::Cancel, request.into_inner()).await?))
    }

    async fn pause_jobs(
        &self,
        request: Request<v1::ChangeJobsRequest>,
    ) -> Result<Response<v1::ChangeJobsResponse>, Status> {
        let this = self.may(&request)?;
        Ok(Response::new(this.change_jobs(JobChange::Pause, request.into_inner()).await?))
    }

    async fn resume_jobs(
        &self,
        request: Request<v1::ChangeJobsRequest>,
    ) -> Result<Response<v1::ChangeJobsResponse>, Status> {
        let this = self.may(&request)?;
        Ok(Response::new(this.change_jobs(JobChange::Resume, request.into_inner()).await?))
    }

    async fn pause_queue(&self, request: Request<v1::PauseQueueRequest>) -> Result<Response<v1::QueueState>, Status> {
        let this = self.may(&request)?;
        Ok(Response::new(this.set_queue(QueueState::Paused).await?))
    }

    async fn resume_queue(&self, request: Request<v1::ResumeQueueRequest>) -> Result<Response<v1::QueueState>, Status> {
        let this = self.may(&request)?;
        Ok(Response::new(this.set_queue(QueueState::Runs).await?))
    }

    async fn get_queue(&self, request: Request<v1::GetQueueRequest>) -> Result<Response<v1::Queue>, Status> {
        let this = self.may(&request)?;
        Ok(Response::new(this.queue().await?))
    }

    async fn list_api_keys(
        &self,
        request: Request<v1::ListApiKeysRequest>,
    ) -> Result<Response<v1::ListApiKeysResponse>, Status> {
        let this = self.may(&request)?;
        Ok(Response::new(this.keys().await?))
    }

    async fn create_api_key(&self, request: Request<v1::CreateApiKeyRequest>) -> Result<Response<v1::ApiKey>, Status> {
        let this = self.may(&request)?;
        Ok(Response::new(this.make_key(request.into_inner()).await?))
    }

    async fn revoke_api_key(
        &self,
        request: Request<v1::RevokeApiKeyRequest>,
    ) -> Result<Response<v1::RevokeApiKeyResponse>, Status> {
        let this = self.may(&request)?;
        Ok(Response::new(this.revoke_key(request.into_inner()).await?))
    }

    type DiagnoseStream = Answers<v1::Finding>;

    async fn diagnose(&self, request: Request<v1::DiagnoseRequest>) -> Result<Response<Self::DiagnoseStream>, Status> {
        let this = self.may(&request)?;
        Ok(Response::new(Box::pin(this.diagnosis(request.get_ref()).await?)))
    }

    type WatchStream = Answers<v1::Event>;

    async fn watch(&self, request: Request<v1::WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let this = self.may(&request)?;
        Ok(Response::new(Box::pin(this.feed(request.get_ref())?)))
    }

    async fn sign_in(&self, request: Request<v1::SignInRequest>) -> Result<Response<v1::SignInResponse>, Status> {
        let this = self.may(&request)?;
        Ok(Response::new(this.let_in(request.into_inner()).await?))
    }

    async fn get_session(&self, request: Request<v1::GetSessionRequest>) -> Result<Response<v1::Session>, Status> {
        let this = self.may(&request)?;
        Ok(Response::new(this.session(request.get_ref()).await?))
    }

    async fn sign_out(&self, request: Request<v1::SignOutRequest>) -> Result<Response<v1::SignOutResponse>, Status> {
        let this = self.may(&request)?;
        Ok(Response::new(this.let_out(request.get_ref()).await?))
    }

    async fn list_audit(
        &self,
        request: Request<v1::ListAuditRequest>,
    ) -> Result<Response<v1::ListAuditResponse>, Status> {
        let this = self.may(&request)?;
        Ok(Response::new(this.audit(request.into_inner()).await?))
    }
}
