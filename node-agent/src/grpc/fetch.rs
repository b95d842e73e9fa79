//! One file out in the frames that Replicate takes in.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{Stream, stream};
use pixelfox_proto::{
    Cutter, Fault, FaultKind, PrefixHasher, StoredPath,
    v1::{FetchResponse, Frame},
};
use tonic::Status;

use super::{not_here, unreadable};
use crate::{
    disk::{Disk, Stored},
    transfer::FRAME_BYTES,
};

/// Opens `path` and hashes what lies before `offset`, so that each frame has its prefix. On a data worker.
pub(super) async fn open(
    disk: Arc<Disk>,
    path: StoredPath,
    offset: u64,
) -> Result<impl Stream<Item = Result<FetchResponse, Status>> + Send, Fault> {
    let stored = disk.open(&path).map_err(unreadable)?.ok_or_else(|| not_here(&path))?;
    if offset > stored.size() {
        let size = stored.size();
        return Err(Fault::new(FaultKind::PayloadTooLarge, format!("{path} has {size} bytes, {offset} is beyond")));
    }
    let before = stored.hash_prefix(offset).await.map_err(|e| unreadable_file(&e))?;
    Ok(frames(stored, before))
}

fn unreadable_file(error: &std::io::Error) -> Fault {
    Fault::internal("could not read the file", error)
}

/// The first answer has the file's size, each one a frame; of a file without a byte left there is only the size.
fn frames(stored: Stored, before: PrefixHasher) -> impl Stream<Item = Result<FetchResponse, Status>> + Send {
    let size = stored.size();
    let start = Some((stored, Cutter::resume(before), Some(size)));
    stream::unfold(start, |state| async move {
        let (stored, mut cutter, announce) = state?;
        let left = stored.size() - cutter.offset();
        if left == 0 {
            return announce.map(|size| (Ok(FetchResponse { size, frame: None }), None));
        }
        match read(&stored, cutter.offset(), left) {
            Ok(data) => {
                let cut = cutter.cut(&data);
                let prefix_sha256 = cut.prefix.as_bytes().to_vec();
                let frame = Some(Frame { offset: cut.offset, data, prefix_sha256 });
                let answer = FetchResponse { size: announce.unwrap_or_default(), frame };
                Some((Ok(answer), Some((stored, cutter, None))))
            }
            Err(error) => Some((Err(unreadable_file(&error).into()), None)),
        }
    })
}

fn read(stored: &Stored, offset: u64, left: u64) -> std::io::Result<Bytes> {
    let length = usize::try_from(left).map_or(FRAME_BYTES, |left| left.min(FRAME_BYTES));
    let mut data = vec![0; length];
    let mut filled = 0;
    while filled < length {
        match stored.read_at(&mut data[filled..], offset + filled as u64)? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            read => filled += read,
        }
    }
    Ok(data.into())
}
