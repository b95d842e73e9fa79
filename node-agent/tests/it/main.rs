//! The node from outside: real ports, real files, real HTTP and gRPC.

#![expect(clippy::unwrap_used, reason = "a test that can't go on fails where it stands")]

mod listen_limits;
