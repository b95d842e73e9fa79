//! Who may call. Compared in constant time; a refusal says what to set where, and the log says who it was.

use pixelfox_node::peer::Peer;
use pixelfox_node::secret::SecretPair;
use pixelfox_proto::{Fault, NodeId, text};
use tonic::Request;

use crate::catalog::Actor;

/// Metadata that names a node before its Hello.
const NODE_ID: &str = "x-node-id";
/// Metadata by which the pages of this process say who is signed in.
const ACCOUNT: &str = pixelfox_admin_web::ACCOUNT;

/// Nodes, by the secret that all of them share.
#[derive(Clone, Debug)]
pub(super) struct NodesOnly(pub(super) Option<SecretPair>);

impl NodesOnly {
    /// Passes a request that has the secret.
    pub(super) fn check<T>(&self, request: &Request<T>) -> Result<(), Fault> {
        let Some(secret) = &self.0 else {
            return Err(Fault::unauthorized("replication disabled")
                .with_hint("Set the same REPLICATION_SECRET on the server and on every node"));
        };
        if secret.authorizes(request.metadata().as_ref()) {
            return Ok(());
        }
        let node = claimed_node(request).map_or_else(|| "unnamed".to_owned(), |node| node.to_string());
        let from = address(request);
        tracing::warn!(%node, client = %from, "[Coordinator] Unauthorized attempt of node {node} from {from}");
        Err(Fault::unauthorized("invalid replication secret")
            .with_hint("REPLICATION_SECRET must be the same on the server and on this node"))
    }
}

/// Operators, by their token; and the pages of this process, which need none.
#[derive(Clone, Debug)]
pub(super) enum OperatorsOnly {
    /// The pages in the same process.
    InProcess,
    /// Everyone else, by `ADMIN_TOKEN`.
    ByToken(Option<SecretPair>),
}

impl OperatorsOnly {
    /// Passes a request that has the token, and says whose doing it is. Only the pages may name an account.
    pub(super) fn check<T>(&self, request: &Request<T>) -> Result<Actor, Fault> {
        match self {
            Self::InProcess => match request.metadata().get(ACCOUNT) {
                None => Ok(Actor::Server),
                Some(name) => {
                    let name = name.to_str().ok().and_then(|name| name.parse().ok());
                    name.map(Actor::Account).ok_or_else(|| {
                        Fault::bad_request(text!(
                            de "{ACCOUNT}: kein Name eines Kontos",
                            en "{ACCOUNT}: no account's name"
                        ))
                    })
                }
            },
            Self::ByToken(Some(token)) if token.authorizes(request.metadata().as_ref()) => Ok(Actor::Token),
            Self::ByToken(Some(_)) => {
                let from = address(request);
                tracing::warn!(client = %from, "[Admin] Unauthorized attempt from {from}");
                Err(Fault::unauthorized(text!(de "falsches ADMIN_TOKEN", en "invalid admin token")).with_hint(text!(
                    de "Als Metadatum `authorization: Bearer <ADMIN_TOKEN>` mitschicken",
                    en "Send metadata `authorization: Bearer <ADMIN_TOKEN>`"
                )))
            }
            Self::ByToken(None) => Err(Fault::unauthorized(text!(
                de "der Admin-Dienst ist geschlossen: es ist kein ADMIN_TOKEN gesetzt",
                en "the Admin service is closed: no ADMIN_TOKEN is set"
            ))
            .with_hint(text!(
                de "ADMIN_TOKEN auf dem Server setzen und als `authorization: Bearer <ADMIN_TOKEN>` mitschicken",
                en "Set ADMIN_TOKEN on the server and send it as `authorization: Bearer <ADMIN_TOKEN>`"
            ))),
        }
    }
}

/// The node that the caller says it is; not proven.
pub(super) fn claimed_node<T>(request: &Request<T>) -> Option<NodeId> {
    request.metadata().get(NODE_ID)?.to_str().ok()?.parse().ok()
}

/// Where a request came from, for logs and pages.
pub(super) fn address<T>(request: &Request<T>) -> String {
    let peer = request.extensions().get::<Peer>().map(|peer| peer.0).or_else(|| request.remote_addr());
    peer.map_or_else(|| "this process".to_owned(), |peer| peer.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bearer(word: &str) -> Request<()> {
        let mut request = Request::new(());
        request.metadata_mut().insert("authorization", format!("Bearer {word}").parse().unwrap());
        request
    }

    #[test]
    fn a_node_without_the_secret_hears_what_to_set() {
        // No secret set, none sent, a wrong one, the right one.
        let (open, closed) = (NodesOnly(Some(SecretPair::new("right", None))), NodesOnly(None));
        assert_eq!(closed.check(&bearer("right")).unwrap_err().message(), "replication disabled");
        assert_eq!(open.check(&Request::new(())).unwrap_err().message(), "invalid replication secret");
        assert_eq!(open.check(&bearer("wrong")).unwrap_err().message(), "invalid replication secret");
        assert_eq!(open.check(&bearer("right")), Ok(()));
    }

    #[test]
    fn only_the_pages_of_this_process_may_say_who_is_signed_in() {
        // On a port the same metadata means nothing: who has the token is `token`.
        let named = |name: &str| {
            let mut request = bearer("right");
            request.metadata_mut().insert(ACCOUNT, name.parse().unwrap());
            request
        };
        let token = OperatorsOnly::ByToken(Some(SecretPair::new("right", None)));
        assert_eq!(token.check(&named("anna")), Ok(Actor::Token));
        assert_eq!(OperatorsOnly::InProcess.check(&named("anna")), Ok(Actor::Account("anna".parse().unwrap())));
        assert!(OperatorsOnly::InProcess.check(&named("token")).is_err(), "no account may be called that");
    }

    #[test]
    fn without_an_admin_token_only_this_process_may() {
        // The cure is in the refusal.
        let refused = OperatorsOnly::ByToken(None).check(&bearer("")).unwrap_err();
        assert!(refused.hint().unwrap_or_default().contains("Set ADMIN_TOKEN"), "{refused}");
        let token = OperatorsOnly::ByToken(Some(SecretPair::new("right", None)));
        assert!(token.check(&bearer("wrong")).is_err() && token.check(&bearer("right")).is_ok());
        assert_eq!(OperatorsOnly::InProcess.check(&Request::new(())), Ok(Actor::Server));
    }
}
