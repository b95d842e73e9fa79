//! A node's disks, as a rebuild asks about them: which pools lie there, which files with which marks. The only place
//! where the coordinator dials a node by gRPC; it commands nothing.

use std::{path::Path, time::Duration};

use pixelfox_node::{coordinator::chain, secret::SecretPair, tls};
use pixelfox_proto::{
    Generation, NodeId, PoolId, Sha256, StoredPath, VisitorId,
    v1::{self, replication_client::ReplicationClient},
};
use tonic::{
    Request, Streaming,
    metadata::{Ascii, MetadataValue},
    transport::{Channel, Endpoint},
};

use crate::catalog::{FoundFile, FoundMark, FoundPool, PoolDraft};

const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// A node may look through many directories.
const FIND_WITHIN: Duration = Duration::from_secs(120);
const STAT_WITHIN: Duration = Duration::from_secs(30);
/// A page of files with the largest marks.
const MESSAGE_BYTES: usize = 8 << 20;
/// What a pool has whose marker is of before it kept that: an AUTO_POOLS pool's.
const PRIORITY: i32 = 10;

/// A node that is asked.
#[derive(Clone, Debug)]
pub struct Disks {
    client: ReplicationClient<Channel>,
    bearer: MetadataValue<Ascii>,
}

/// Who is asked, for what a marker of before did not keep.
#[derive(Clone, Debug)]
pub struct About {
    /// The node.
    pub node: NodeId,
    /// As other nodes see it.
    pub node_url: String,
    /// As browsers see it; empty: not known.
    pub public_base_url: String,
}

/// A walk through a pool under way.
#[derive(Debug)]
pub struct Files(Streaming<v1::ListFilesResponse>);

impl Disks {
    /// The node at `url`, dialed at the first question.
    ///
    /// # Errors
    /// A sentence: a URL or certificates that can't be used.
    pub fn at(url: &str, secret: &SecretPair, tls_ca_file: Option<&Path>) -> Result<Self, String> {
        let bad = |cause: tonic::transport::Error| format!("{url}: {cause}");
        let mut endpoint = Endpoint::from_shared(url.to_owned())
            .map_err(bad)?
            .connect_timeout(CONNECT_WITHIN)
            .tcp_nodelay(true)
            .http2_keep_alive_interval(Duration::from_secs(10))
            .keep_alive_timeout(Duration::from_secs(20));
        if url.starts_with("https://") {
            let tls = tls::client(tls_ca_file).map_err(|problem| problem.to_string())?;
            endpoint = endpoint.tls_config(tls).map_err(bad)?;
        }
        let client = ReplicationClient::new(endpoint.connect_lazy()).max_decoding_message_size(MESSAGE_BYTES);
        let bearer = format!("Bearer {}", secret.reveal()).parse();
        let bearer: MetadataValue<Ascii> =
            bearer.map_err(|_| "REPLICATION_SECRET has characters that no header takes")?;
        Ok(Self { client, bearer })
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        let mut bearer = self.bearer.clone();
        bearer.set_sensitive(true);
        request.metadata_mut().insert("authorization", bearer);
        request
    }

    /// Every directory of the node with a pool's marker: what it says, or a sentence why it says nothing. `about`: the
    /// node, for what a marker of before did not keep.
    ///
    /// # Errors
    /// A sentence: the node can't be asked.
    pub async fn find_pools(&mut self, about: &About) -> Result<Vec<Result<FoundPool, String>>, String> {
        let mut request = self.request(v1::FindPoolsRequest {});
        request.set_timeout(FIND_WITHIN);
        let answer = self.client.find_pools(request).await.map_err(|status| chain(&status))?;
        Ok(answer.into_inner().pools.into_iter().map(|pool| found_pool(pool, about)).collect())
    }

    /// Whether a file is in a pool.
    ///
    /// # Errors
    /// A sentence: the node can't be asked, or does not have the pool.
    pub async fn has(&mut self, pool: PoolId, path: &StoredPath) -> Result<bool, String> {
        let stat = v1::StatRequest { pool_id: pool.get(), stored_path: path.to_string(), verify: false };
        let mut request = self.request(stat);
        request.set_timeout(STAT_WITHIN);
        let answer = self.client.stat(request).await.map_err(|status| chain(&status))?;
        Ok(answer.into_inner().exists)
    }

    /// All files of a pool, from the first path on.
    ///
    /// # Errors
    /// A sentence: the node can't be asked, or does not have the pool.
    pub async fn files(&mut self, pool: PoolId) -> Result<Files, String> {
        let list = v1::ListFilesRequest { pool_id: pool.get(), with_marks: true, ..v1::ListFilesRequest::default() };
        let request = self.request(list);
        let answer = self.client.list_files(request).await.map_err(|status| chain(&status))?;
        Ok(Files(answer.into_inner()))
    }
}

impl Files {
    /// The next some hundred of them, or `None` at the end.
    ///
    /// # Errors
    /// A sentence: the way to the node broke, or its disk.
    pub async fn next(&mut self) -> Result<Option<Vec<FoundFile>>, String> {
        let page = self.0.message().await.map_err(|status| chain(&status))?;
        Ok(page.map(|page| page.files.into_iter().filter_map(found_file).collect()))
    }
}

/// A name that is no stored path is no file of ours.
fn found_file(file: v1::StoredFile) -> Option<FoundFile> {
    let mark = file.mark.and_then(|mark| {
        Some(FoundMark {
            size: mark.size,
            sha256: Sha256::try_from(mark.sha256.as_slice()).ok()?,
            generation: Generation(mark.generation),
            meta: mark.meta.map(Into::into).unwrap_or_default(),
            is_suspect: mark.suspect,
            visitor: VisitorId::new(mark.visitor),
        })
    });
    Some(FoundFile { path: file.stored_path.parse().ok()?, size: file.size, mark })
}

fn found_pool(found: v1::FoundPool, about: &About) -> Result<FoundPool, String> {
    let v1::FoundPool { base_path, problem, identity, .. } = found;
    if !problem.is_empty() {
        return Err(format!("{base_path}: {problem}"));
    }
    if identity.is_empty() {
        return Err(format!("{base_path}: its marker has no identity"));
    }
    let kept = found.facts.filter(|facts| !facts.upload_api_url.is_empty());
    let facts = kept.unwrap_or_else(|| v1::PoolFacts {
        upload_api_url: format!("{}/api/internal/upload", about.node_url.trim_end_matches('/')),
        priority: PRIORITY,
        ..v1::PoolFacts::default()
    });
    let public_base_url = Some(found.public_base_url).filter(|url| !url.is_empty());
    let draft = PoolDraft {
        name: found.name,
        node_id: if facts.node_id.is_empty() { about.node.to_string() } else { facts.node_id },
        base_path,
        upload_api_url: facts.upload_api_url,
        public_base_url: public_base_url.unwrap_or_else(|| about.public_base_url.clone()),
        max_size: found.max_size,
        is_active: found.is_active,
        is_default: facts.is_default,
        priority: facts.priority,
        storage_type: facts.storage_type,
        storage_tier: facts.storage_tier,
        description: facts.description,
        legacy_pool_id: found.legacy_pool_id,
        legacy_node: facts.legacy_node,
    };
    Ok(FoundPool { id: PoolId::try_from(found.pool_id).ok(), identity, draft })
}
