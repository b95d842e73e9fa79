//! Compiles `proto/` into Rust without `protoc`, and keeps the descriptor set for gRPC reflection.

use std::{env, error::Error, fs, path::PathBuf};

use prost::Message as _;

const FILES: [&str; 3] = ["pixelfox/v1/admin.proto", "pixelfox/v1/coordinator.proto", "pixelfox/v1/replication.proto"];

#[expect(clippy::disallowed_methods, reason = "cargo tells a build script its directory by the environment")]
fn main() -> Result<(), Box<dyn Error>> {
    for file in FILES {
        println!("cargo:rerun-if-changed=proto/{file}");
    }
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let descriptors = protox::compile(FILES, ["proto"])?;
    fs::write(out.join("pixelfox_descriptor.bin"), descriptors.encode_to_vec())?;
    let mut config = prost_build::Config::new();
    config.bytes([".pixelfox.v1.Frame.data"]); // saves one copy per frame
    config.enable_type_names(); // `server ctl` finds a message in the descriptors by its name
    tonic_prost_build::configure().compile_fds_with_config(descriptors, config)?;
    Ok(())
}
