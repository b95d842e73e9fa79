//! Reflection and health, open to everybody on every port.

use pixelfox_proto::v1;
use tonic_reflection::server::{Builder, Error};

use crate::listen::Routes;

/// Adds reflection (v1 and v1alpha) and `grpc.health.v1`.
///
/// # Errors
/// Where the descriptors that were built in can't be read.
pub fn add_diagnostics(routes: Routes) -> Result<Routes, Error> {
    let reflection = || {
        Builder::configure()
            .register_encoded_file_descriptor_set(v1::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let (_, health) = tonic_health::server::health_reporter();
    let routes = routes.grpc(reflection().build_v1()?);
    Ok(routes.grpc(reflection().build_v1alpha()?).grpc(health))
}
