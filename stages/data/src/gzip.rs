//! Unpacking gzip into bounded memory.

use std::io::Read;

use flate2::read::GzDecoder;

use crate::Malformed;

/// The first two bytes of a gzip stream.
pub(crate) const MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Unpacks a gzip stream whose content has at most `limit` bytes.
pub(crate) fn unpack(packed: impl Read, limit: u64) -> Result<Vec<u8>, Malformed> {
    let mut content = Vec::new();
    GzDecoder::new(packed).take(limit.saturating_add(1)).read_to_end(&mut content).map_err(Malformed::Gzip)?;
    if content.len() as u64 > limit {
        return Err(Malformed::TooLong(limit));
    }
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, write::GzEncoder};
    use proptest::prelude::*;
    use std::io::Write;

    fn pack(content: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn content_within_the_limit_is_unpacked() {
        assert_eq!(unpack(pack(b"abc").as_slice(), 3).unwrap(), b"abc");
    }

    #[test]
    fn a_bomb_is_cut_off() {
        let packed = pack(&vec![0; 1 << 20]);
        assert!(matches!(unpack(packed.as_slice(), 1000), Err(Malformed::TooLong(1000))));
    }

    #[test]
    fn truncated_flipped_and_empty_streams_are_refused() {
        let packed = pack(b"some content that is long enough to be packed");
        for cut in 0..packed.len() {
            assert!(matches!(unpack(&packed[..cut], 99), Err(Malformed::Gzip(_))), "cut at {cut}");
        }
        let mut flipped = packed.clone();
        flipped[15] ^= 0x40;
        assert!(unpack(flipped.as_slice(), 99).is_err());
        assert!(unpack(b"no gzip".as_slice(), 99).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_content_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(content) = unpack([&MAGIC, bytes.as_slice()].concat().as_slice(), 64) {
                prop_assert!(content.len() <= 64);
            }
        }
    }
}
