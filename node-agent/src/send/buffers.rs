//! Memory of frames that is used again: a frame that has gone out gives its buffer to a later one.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

/// Buffers that are remembered; a few more than frames can be under way.
const REMEMBERED: usize = 8;

/// Buffers of one size.
#[derive(Debug)]
pub(super) struct Buffers {
    size: usize,
    lent: VecDeque<Bytes>,
}

impl Buffers {
    /// Of `size` bytes each.
    pub(super) fn new(size: usize) -> Self {
        Self { size, lent: VecDeque::with_capacity(REMEMBERED) }
    }

    /// A buffer of the full size with any content.
    pub(super) fn take(&mut self) -> BytesMut {
        for _ in 0..self.lent.len() {
            let Some(oldest) = self.lent.pop_front() else { break };
            match oldest.try_into_mut() {
                Ok(free) => return free,
                Err(under_way) => self.lent.push_back(under_way),
            }
        }
        BytesMut::zeroed(self.size)
    }

    /// Its first `length` bytes as a frame's data.
    pub(super) fn lend(&mut self, buffer: BytesMut, length: usize) -> Bytes {
        let whole = buffer.freeze();
        let data = whole.slice(..length.min(whole.len()));
        if self.lent.len() < REMEMBERED {
            self.lent.push_back(whole);
        }
        data
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_comes_back_once_its_frame_is_gone() {
        let mut buffers = Buffers::new(64);
        let first = buffers.take();
        let place = first.as_ptr();
        let frame = buffers.lend(first, 10);
        assert_eq!(frame.len(), 10);
        let second = buffers.take();
        assert_ne!(second.as_ptr(), place, "the first is still under way");
        drop(frame);
        let again = buffers.take();
        assert_eq!((again.as_ptr(), again.len()), (place, 64));
    }
}
