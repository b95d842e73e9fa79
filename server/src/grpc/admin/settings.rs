//! Settings: shown and changed, at every node at once.

use pixelfox_proto::{Fault, v1};

use super::AdminService;
use crate::clock;
use crate::events::{Event, Subject};
use crate::grpc::wire;

impl AdminService {
    pub(super) async fn settings(&self) -> Result<v1::Settings, Fault> {
        Ok(wire::settings::settings(&self.rooms.store.settings().await?))
    }

    pub(super) async fn change_settings(&self, request: v1::UpdateSettingsRequest) -> Result<v1::Settings, Fault> {
        let patch = wire::settings::patch(request.settings)?;
        let settings = self.rooms.store.update_settings(patch, clock::now()).await?;
        let message = format!("[Admin] Settings changed (revision {})", settings.revision);
        tracing::info!(revision = settings.revision, "{message}");
        self.rooms.events.publish(&Event { subject: Subject::Settings, message });
        self.rooms.sessions.books_changed();
        self.rooms.settle.heed_settings(&settings).await?;
        self.rooms.wake.notify_one();
        Ok(wire::settings::settings(&settings))
    }
}
