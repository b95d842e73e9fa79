//! API keys: made, listed, revoked. The word is shown once.

use pixelfox_proto::{Fault, v1};

use super::AdminService;
use crate::access::KeyWord;
use crate::catalog::ApiKey;
use crate::clock;
use crate::events::{Event, Subject};
use crate::grpc::wire;

impl AdminService {
    pub(super) async fn keys(&self) -> Result<v1::ListApiKeysResponse, Fault> {
        let keys = self.rooms.store.list_api_keys().await?;
        Ok(v1::ListApiKeysResponse { keys: keys.into_iter().map(wire::key::key).collect() })
    }

    pub(super) async fn make_key(&self, request: v1::CreateApiKeyRequest) -> Result<v1::ApiKey, Fault> {
        let mut random = [0; 32];
        getrandom::fill(&mut random).map_err(|error| Fault::internal("could not make a key", &error))?;
        let word = KeyWord::new(random);
        let key = self.rooms.store.create_api_key(&request.name, word.digest(), clock::now()).await?;
        self.say_of_key(&key, "made");
        Ok(v1::ApiKey { key: word.reveal().to_owned(), ..wire::key::key(key) })
    }

    pub(super) async fn revoke_key(&self, request: v1::RevokeApiKeyRequest) -> Result<v1::RevokeApiKeyResponse, Fault> {
        let key = self.rooms.store.revoke_api_key(request.id, clock::now()).await?;
        self.say_of_key(&key, "revoked");
        Ok(v1::RevokeApiKeyResponse {})
    }

    fn say_of_key(&self, key: &ApiKey, what: &str) {
        let message = format!("[Admin] API key {} ({}) {what}", key.id, key.name);
        tracing::info!(key = key.id, "{message}");
        self.rooms.events.publish(&Event { subject: Subject::Settings, message });
    }
}
