//! Signing in and out, for the pages.

use pixelfox_proto::{Fault, text, v1};

use super::AdminService;
use crate::accounts::SessionSecret;
use crate::events::{Event, Subject};
use crate::grpc::wire;

impl AdminService {
    pub(super) async fn let_in(&self, request: v1::SignInRequest) -> Result<v1::SignInResponse, Fault> {
        let from = wire::account::address(&request.client_address)?;
        let entered = self.rooms.accounts.sign_in(&request.name, request.password, from).await;
        self.say_of_door(if entered.is_ok() { "Somebody signed in" } else { "Somebody could not sign in" });
        let (secret, session) = entered?;
        let session = Some(wire::account::session(&session));
        Ok(v1::SignInResponse { secret: secret.reveal().to_owned(), session })
    }

    pub(super) async fn session(&self, request: &v1::GetSessionRequest) -> Result<v1::Session, Fault> {
        let session = match SessionSecret::parse(&request.secret) {
            Some(secret) => self.rooms.accounts.session(&secret).await?,
            None => None,
        };
        let session = session.ok_or_else(|| {
            Fault::unauthorized(text!(
                de "diese Sitzung gibt es nicht, oder sie ist zu Ende",
                en "there is no such session, or it is over"
            ))
        })?;
        Ok(wire::account::session(&session))
    }

    pub(super) async fn let_out(&self, request: &v1::SignOutRequest) -> Result<v1::SignOutResponse, Fault> {
        if let Some(secret) = SessionSecret::parse(&request.secret) {
            self.rooms.accounts.sign_out(&secret).await?;
            self.say_of_door("Somebody signed out");
        }
        Ok(v1::SignOutResponse {})
    }

    /// Who it was is in the audit.
    fn say_of_door(&self, what: &str) {
        self.rooms.events.publish(&Event { subject: Subject::Audit, message: format!("[Admin] {what}") });
    }
}
