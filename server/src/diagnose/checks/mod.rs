//! The checks, one a file: what was seen becomes findings. Pure; whoever asks nodes and URLs is `asking`.

pub(crate) mod attached;
pub(crate) mod base_path;
pub(crate) mod clock;
pub(crate) mod environment;
pub(crate) mod mixed_content;
pub(crate) mod node_id;
pub(crate) mod public_base_url;
pub(crate) mod same_directory;
pub(crate) mod secret;
pub(crate) mod space;
pub(crate) mod upload_api_url;
pub(crate) mod version;
pub(crate) mod write;

#[cfg(test)]
pub(crate) mod tests;
