//! Who may attach. Pure.

use pixelfox_proto::{Fault, FaultKind, PROTOCOL};

use super::link::{SILENCE, Session};
use super::news::Hello;

/// Longest instance id in bytes; ours are UUIDs.
const INSTANCE_BYTES: usize = 128;

/// What can be told from the Hello alone.
pub(super) fn check(hello: &Hello) -> Result<(), Fault> {
    let node = &hello.about.node;
    if !matches!(hello.protocol, 0 | PROTOCOL) {
        return Err(Fault::new(
            FaultKind::FailedPrecondition,
            format!(
                "node {node} speaks protocol {}, this coordinator {PROTOCOL}: run the same version on both",
                hello.protocol
            ),
        ));
    }
    if hello.about.instance.is_empty() || hello.about.instance.len() > INSTANCE_BYTES {
        return Err(Fault::bad_request(format!("node {node} says no instance_id of 1 to {INSTANCE_BYTES} bytes")));
    }
    Ok(())
}

/// The same process may attach again; a second one has to wait until the first is gone, also where it has the first
/// one's instance id: with a copy of its STATE_DIR the two would put each other out for ever.
pub(super) fn may_replace(older: &Session, hello: &Hello) -> Result<(), Fault> {
    let here = &older.hello().about;
    let same = here.instance == hello.about.instance && here.process == hello.about.process;
    if same || older.is_over() {
        return Ok(());
    }
    Err(Fault::new(
        FaultKind::Conflict,
        format!(
            "NODE_ID {node} is attached already, from {address} ({url}): give this node another NODE_ID (and a STATE_DIR \
             of its own), or stop that one; one that is gone is forgotten after {seconds} s",
            node = here.node,
            address = here.address,
            url = here.node_url,
            seconds = SILENCE.as_secs(),
        ),
    ))
}
