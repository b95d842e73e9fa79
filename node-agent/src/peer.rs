//! Who is at the other end of a connection. The listener says it, logs name it; it must not decide anything.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

use http::Extensions;

use crate::proxies::Client;

/// The other end's address: in the extensions of each request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Peer(pub SocketAddr);

/// A request's sender as a log line names it: the address without the port, of the client where a trusted proxy stands
/// in between, `-` where there is none (a call inside the
/// process).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sender(Option<IpAddr>);

impl Sender {
    /// Of the request with these extensions.
    #[must_use]
    pub fn of(extensions: &Extensions) -> Self {
        let client = extensions.get::<Client>().map(|client| client.address);
        Self(client.or_else(|| extensions.get::<Peer>().map(|peer| peer.0.ip().to_canonical())))
    }
}

impl fmt::Display for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(address) => address.fmt(f),
            None => f.write_str("-"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_names_the_address_alone() {
        for (address, want) in [
            ("127.0.0.1:5000", "127.0.0.1"),
            ("[::ffff:10.0.0.7]:5000", "10.0.0.7"),
            ("[2001:db8::1]:5000", "2001:db8::1"),
        ] {
            let mut extensions = Extensions::new();
            extensions.insert(Peer(address.parse().unwrap()));
            assert_eq!(Sender::of(&extensions).to_string(), want);
        }
        assert_eq!(Sender::of(&Extensions::new()).to_string(), "-");
    }
}
