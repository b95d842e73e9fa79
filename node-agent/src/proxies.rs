//! Who a client is when a proxy stands in between. Only the word of trusted networks counts, so that nobody can give
//! itself another address. Source: docs/http.md, "Behind a proxy".

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
};

use http::HeaderMap;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// 127.0.0.0/8
const LOOPBACK_V4: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8);

/// `TRUSTED_PROXIES`: networks whose `X-Forwarded-For` and `X-Forwarded-Proto` count. Cheap to clone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxies {
    networks: Arc<[IpNet]>,
}

/// Who sent a request, as far as it can be trusted: in the extensions of each HTTP request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client {
    /// Its address.
    pub address: IpAddr,
    /// Whether its own way to us is encrypted.
    pub secure: bool,
}

impl Proxies {
    /// From `10.0.0.0/8, 192.168.1.7`.
    ///
    /// # Errors
    /// The first word that is no network.
    pub fn parse(text: &str) -> Result<Self, String> {
        let words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
        let network = |word: &str| {
            let address = || word.parse::<IpAddr>().map(IpNet::from);
            word.parse::<IpNet>().or_else(|_| address()).map_err(|_| word.to_owned())
        };
        Ok(Self { networks: words.map(network).collect::<Result<_, _>>()? })
    }

    /// These, and this machine itself.
    #[must_use]
    pub fn and_this_machine(&self) -> Self {
        let here = [LOOPBACK_V4.into(), Ipv6Net::from(Ipv6Addr::LOCALHOST).into()];
        Self { networks: self.networks.iter().copied().chain(here).collect() }
    }

    /// The client behind `peer`, whose request has these headers. The way is walked back from us, for as long as
    /// trusted proxies answer for the step before.
    #[must_use]
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> Client {
        let peer = peer.to_canonical();
        let mut client = Client { address: peer, secure: false };
        if !self.trust(peer) {
            return client;
        }
        let list = |name: &str| {
            let lines: Vec<&str> = headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect();
            lines.join(",")
        };
        let (ways, addresses) = (list("x-forwarded-proto"), list("x-forwarded-for"));
        let is_https = |word: &str| word.trim().eq_ignore_ascii_case("https");
        // One word a step, the last one by the proxy next to us. A proxy that passes on what it got adds none.
        let mut ways = ways.rsplit(',').map(is_https);
        client.secure = ways.next() == Some(true);
        for (step, word) in addresses.rsplit(',').enumerate() {
            let Some(address) = address(word.trim()) else { break };
            client.address = address;
            if step > 0 {
                client.secure = ways.next().unwrap_or(client.secure);
            }
            if !self.trust(address) {
                break;
            }
        }
        client
    }

    /// Whether `address` is one of them.
    pub(crate) fn trust(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(&address))
    }
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(f)
    }
}

/// An address, as some proxies write it with a port.
fn address(word: &str) -> Option<IpAddr> {
    let bare = word.parse().ok();
    let with_port = || word.parse().ok().map(|address: std::net::SocketAddr| address.ip());
    let bracketed = || word.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    bare.or_else(with_port).or_else(bracketed).map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_word_of_trusted_networks_counts() {
        let proxies = Proxies::parse("10.0.0.0/8, 192.168.1.7, fd00::/8").unwrap();
        for (why, peer, forwarded, proto, want) in [
            ("no proxy", "203.0.113.9", &["1.2.3.4"][..], "https", ("203.0.113.9", false)),
            ("one proxy", "10.0.0.1", &["203.0.113.9"], "https", ("203.0.113.9", true)),
            ("plain behind it", "10.0.0.1", &["203.0.113.9"], "http", ("203.0.113.9", false)),
            ("a made-up beginning", "10.0.0.1", &["1.2.3.4, 203.0.113.9"], "", ("203.0.113.9", false)),
            ("two proxies", "192.168.1.7", &["203.0.113.9, 10.1.1.1"], "https, http", ("203.0.113.9", true)),
            ("a made-up way", "10.0.0.1", &["203.0.113.9"], "https, http", ("203.0.113.9", false)),
            ("one says the way", "192.168.1.7", &["203.0.113.9, 10.1.1.1"], "https", ("203.0.113.9", true)),
            (
                "a made-up way before two",
                "10.0.0.1",
                &["203.0.113.9, 10.1.1.1"],
                "https,http,http",
                ("203.0.113.9", false),
            ),
            ("in two lines", "10.0.0.1", &["203.0.113.9", "10.1.1.1"], "", ("203.0.113.9", false)),
            ("proxies all the way", "10.0.0.1", &["10.0.0.3, 10.0.0.2"], "", ("10.0.0.3", false)),
            ("nonsense", "10.0.0.1", &["203.0.113.9, unknown"], "", ("10.0.0.1", false)),
            ("no header", "10.0.0.1", &[], "", ("10.0.0.1", false)),
            ("with a port", "10.0.0.1", &["203.0.113.9:4711"], "", ("203.0.113.9", false)),
            ("IPv6", "fd00::1", &["[2001:db8::7]:4711"], "", ("2001:db8::7", false)),
            ("IPv6 in brackets", "fd00::1", &["[2001:db8::7]"], "", ("2001:db8::7", false)),
            ("mapped", "::ffff:10.0.0.1", &["::ffff:203.0.113.9"], "", ("203.0.113.9", false)),
        ] {
            let mut headers = HeaderMap::new();
            for line in forwarded {
                headers.append("x-forwarded-for", line.parse().unwrap());
            }
            headers.insert("x-forwarded-proto", proto.parse().unwrap());
            let want = Client { address: want.0.parse().unwrap(), secure: want.1 };
            assert_eq!(proxies.client(peer.parse().unwrap(), &headers), want, "{why}");
        }
    }

    #[test]
    fn what_is_no_network_is_named() {
        assert_eq!(Proxies::parse("10.0.0.0/8,proxy.local"), Err("proxy.local".to_owned()));
        assert_eq!(Proxies::parse("10.0.0.0/33"), Err("10.0.0.0/33".to_owned()));
        assert_eq!(Proxies::parse(""), Ok(Proxies::default()));
    }
}
