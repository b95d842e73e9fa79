//! What the overview shows of the present and of the last hour, on the wire.

use std::time::Duration;

use pixelfox_proto::v1;

use super::timestamp;
use crate::catalog::UnixMillis;
use crate::progress::{Flow, Minute};

/// A way between pools on which bytes go.
pub(crate) fn flow(flow: Flow) -> v1::Flow {
    v1::Flow {
        source_pool_id: flow.source.get(),
        target_pool_id: flow.target.get(),
        bytes_per_second: flow.bytes_per_second,
        images: flow.images,
    }
}

/// A minute that began `age` ago.
pub(crate) fn minute((age, minute): (Duration, Minute), now: UnixMillis) -> v1::Minute {
    let begin = now.0.saturating_sub(i64::try_from(age.as_millis()).unwrap_or(i64::MAX));
    v1::Minute {
        begin: Some(timestamp(UnixMillis(begin))),
        bytes_uploaded: minute.bytes_uploaded,
        images_uploaded: minute.images_uploaded,
        bytes_moved: minute.bytes_moved,
    }
}
