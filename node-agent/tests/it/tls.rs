//! Nodes behind a proxy that ends TLS: whom a sender trusts. (For Attach see `session_attach`.)

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
};

use pixelfox_node::{
    secret::SecretPair,
    send::{Ears, Outgoing, Pusher, SendError, Sent, Target as Whereto},
};
use pixelfox_proto::{FileMeta, Sha256};
use tempfile::TempDir;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::JoinSet,
    time::timeout,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, crypto::ring, pki_types::PrivateKeyDer},
};

use crate::{
    edge_rig::pool_id,
    replicate_rig::{SECRET, Target, WITHIN, bytes},
};

/// A certificate for `localhost`, which vouches for itself.
pub(crate) struct Tls {
    acceptor: TlsAcceptor,
    ca_file: PathBuf,
    _folder: TempDir,
}

impl Tls {
    pub(crate) fn new() -> Self {
        let rcgen::CertifiedKey { cert, signing_key } =
            rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let ca_file = folder.path().join("ca.pem");
        fs::write(&ca_file, cert.pem()).unwrap();
        let key = PrivateKeyDer::Pkcs8(signing_key.serialize_der().into());
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec()];
        Self { acceptor: TlsAcceptor::from(Arc::new(config)), ca_file, _folder: folder }
    }

    /// What `TLS_CA_FILE` names.
    pub(crate) fn ca_file(&self) -> &Path {
        &self.ca_file
    }

    /// Ends TLS in front of a port; the `https` URL, and the proxy, which ends when it is dropped.
    pub(crate) async fn in_front_of(&self, behind: SocketAddr) -> (String, JoinSet<()>) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
        let acceptor = self.acceptor.clone();
        let mut proxy = JoinSet::new();
        proxy.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (near, _) = listener.accept().await.unwrap();
                let acceptor = acceptor.clone();
                connections.spawn(async move {
                    // A client that does not trust us says so and is gone.
                    let Ok(mut near) = acceptor.accept(near).await else { return };
                    let mut far = TcpStream::connect(behind).await.unwrap();
                    let _ended = tokio::io::copy_bidirectional(&mut near, &mut far).await;
                });
            }
        });
        (url, proxy)
    }
}

#[tokio::test]
async fn files_go_over_tls_to_a_node_that_the_certificates_vouch_for_and_to_no_other() {
    // The same target behind TLS, for senders with its certificate, with another one, and with those of the system.
    let (source, target) = (Target::start().await, Target::start().await);
    let content = bytes(1, 3 << 20);
    source.put("original/tls/a.png", &content).await;
    let (right, other) = (Tls::new(), Tls::new());
    let (url, _proxy) = right.in_front_of(target.address).await;
    let push = async |ca_file: Option<&Path>| {
        let secret = SecretPair::new(SECRET, None);
        let pusher = Pusher::new(source.plane.clone(), Some(secret), ca_file.map(Path::to_owned));
        let (size, sha256) = (content.len() as u64, Sha256::of(&content));
        let path = "original/tls/a.png".parse().unwrap();
        let files = vec![Outgoing { path, size, sha256, attempt: None, meta: FileMeta::default(), trace: None }];
        let (ends, mut ended) = mpsc::channel(4);
        let pool = source.pools.hosted(pool_id(1)).unwrap();
        let whereto = Whereto { url: url.clone(), pool: pool_id(1) };
        let pushed = pusher.push(pool, whereto, files, Ears { ends, bytes: Default::default() }, ());
        timeout(WITHIN, pushed).await.unwrap().map(|()| ended.try_recv().unwrap().1)
    };
    for stranger in [Some(other.ca_file()), None] {
        let refused = push(stranger).await.unwrap_err();
        assert!(matches!(&refused, SendError::Unreachable { url: at, .. } if *at == url), "{refused:?}");
        assert!(target.read("original/tls/a.png").is_none());
    }
    assert_eq!(push(Some(right.ca_file())).await.unwrap(), Sent::Received { skipped: false, resumed_from: 0 });
    assert!(target.read("original/tls/a.png").unwrap() == content);
    source.stop().await;
    target.stop().await;
}
