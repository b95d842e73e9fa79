//! A file as frames, each with the SHA-256 of everything up to its end: cut by the sender, verified by the receiver.
//! Pure: bytes in, bytes out.

mod cutter;
mod verifier;

pub use cutter::{Cut, Cutter};
pub use verifier::{FrameError, Verifier};

/// Largest frame in bytes. Source: replication.proto, `Frame.data`.
pub const MAX_FRAME_BYTES: usize = 4 << 20;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{PrefixHasher, Sha256};

    fn data() -> impl Strategy<Value = Vec<u8>> {
        proptest::collection::vec(any::<u8>(), 1..2_000)
    }

    proptest! {
        #[test]
        fn cut_then_verify_is_the_identity_for_every_frame_size(data in data(), size in 1usize..700) {
            let (mut cutter, mut verifier) = (Cutter::new(), Verifier::new(data.len() as u64));
            let mut out = Vec::new();
            for chunk in data.chunks(size) {
                let cut = cutter.cut(chunk);
                verifier.accept(cut.offset, chunk, &cut.prefix.as_bytes()[..]).unwrap();
                out.extend_from_slice(chunk);
            }
            prop_assert!(verifier.is_complete());
            prop_assert_eq!(verifier.digest(), Sha256::of(&data));
            prop_assert_eq!(out, data);
        }

        #[test]
        fn one_flipped_bit_is_always_refused(data in data(), size in 1usize..700, at: prop::sample::Index, bit in 0u8..8) {
            let at = at.index(data.len());
            let (mut cutter, mut verifier) = (Cutter::new(), Verifier::new(data.len() as u64));
            let mut refused = false;
            for (i, chunk) in data.chunks(size).enumerate() {
                let cut = cutter.cut(chunk);
                let mut sent = chunk.to_vec();
                if i == at / size {
                    sent[at % size] ^= 1 << bit;
                }
                if verifier.accept(cut.offset, &sent, &cut.prefix.as_bytes()[..]).is_err() {
                    refused = true;
                    break;
                }
            }
            prop_assert!(refused);
        }

        #[test]
        fn resuming_at_any_byte_gives_the_same_digest(data in data(), from: prop::sample::Index, size in 1usize..700) {
            let from = from.index(data.len());
            let mut taken = PrefixHasher::new();
            taken.update(&data[..from]);
            let (mut cutter, mut verifier) = (Cutter::resume(taken.clone()), Verifier::resume(data.len() as u64, taken));
            for chunk in data[from..].chunks(size) {
                let cut = cutter.cut(chunk);
                verifier.accept(cut.offset, chunk, &cut.prefix.as_bytes()[..]).unwrap();
            }
            prop_assert_eq!((verifier.is_complete(), verifier.digest()), (true, Sha256::of(&data)));
            prop_assert_eq!(cutter.digest(), Sha256::of(&data));
        }
    }
}
