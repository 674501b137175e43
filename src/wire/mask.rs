//! The masking of client payloads (RFC 6455, section 5.3).
//!
//! Owns: the transformation, which is its own inverse. Knows nothing of frames.

/// Masks or unmasks `payload` in place. `phase` says how many bytes of the same frame came before;
/// the result is the phase for the bytes that follow.
pub fn apply(payload: &mut [u8], mask: [u8; 4], phase: u8) -> u8 {
    let mut key = mask;
    key.rotate_left(usize::from(phase % 4));
    let mut wide = [0; 8];
    wide[..4].copy_from_slice(&key);
    wide[4..].copy_from_slice(&key);
    let word = u64::from_ne_bytes(wide);

    let mut words = payload.chunks_exact_mut(8);
    for bytes in &mut words {
        let value = u64::from_ne_bytes(bytes.try_into().expect("chunks of eight"));
        bytes.copy_from_slice(&(value ^ word).to_ne_bytes());
    }
    for (byte, key) in words.into_remainder().iter_mut().zip(wide) {
        *byte ^= key;
    }
    // Only the sum modulo four matters, so the low bits of the length are enough.
    (phase + (payload.len() % 4) as u8) % 4
}

#[cfg(test)]
mod tests {
    use super::*;

    const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

    #[test]
    fn example_of_section_5_7() {
        let mut bytes = [0x7f, 0x9f, 0x4d, 0x51, 0x58];
        assert_eq!(apply(&mut bytes, MASK, 0), 1);
        assert_eq!(&bytes, b"Hello");
    }

    #[test]
    fn pieces_equal_the_whole() {
        let plain: Vec<u8> = (0..100).collect();
        let expected: Vec<u8> = plain.iter().enumerate().map(|(i, b)| b ^ MASK[i % 4]).collect();
        for len in 0..=plain.len() {
            for cut in 0..=len {
                let mut bytes = plain[..len].to_vec();
                let (a, b) = bytes.split_at_mut(cut);
                let phase = apply(a, MASK, 0);
                assert_eq!(apply(b, MASK, phase), (len % 4) as u8);
                assert_eq!(bytes, expected[..len]);
            }
        }
    }
}
