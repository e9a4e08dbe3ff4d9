//! Finding a delimiter in bytes.

/// How many bytes are looked at together, where the processor has vector instructions. The compiler turns the test of one block into a few vector instructions.
#[cfg(feature = "std")]
const BLOCK: usize = 32;

/// The position of the first `needle` in `haystack`.
#[cfg(not(feature = "std"))]
fn find_byte(haystack: &[u8], needle: u8) -> Option<usize> {
    haystack.iter().position(|&byte| byte == needle)
}

/// The same, for long ones.
#[cfg(feature = "std")]
fn find_byte(haystack: &[u8], needle: u8) -> Option<usize> {
    let mut blocks = haystack.chunks_exact(BLOCK);
    let mut start = 0;
    for block in &mut blocks {
        // Every byte is compared, with no way out early: that is what makes it a vector operation.
        if block.iter().fold(false, |found, &byte| found | (byte == needle)) {
            break;
        }
        start += BLOCK;
    }
    haystack[start..].iter().position(|&byte| byte == needle).map(|position| start + position)
}

/// The length of the bytes up to and including the first `delimiter` that begins at `from` or later.
///
/// The last byte of the delimiter is what is searched for: it is found no later than the delimiter itself ends.
pub(crate) fn find_delimiter(haystack: &[u8], delimiter: &[u8], from: usize) -> Option<usize> {
    let (&last, head) = delimiter.split_last()?;
    let mut position = from + head.len();
    while position < haystack.len() {
        position += find_byte(haystack.get(position..)?, last)?;
        if haystack.get(..position)?.ends_with(head) {
            return Some(position + 1);
        }
        position += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    fn naive(haystack: &[u8], delimiter: &[u8], from: usize) -> Option<usize> {
        (from..haystack.len()).find(|&start| haystack[start..].starts_with(delimiter)).map(|start| start + delimiter.len())
    }

    #[test]
    fn agrees_with_a_naive_search() {
        let delimiters: [&[u8]; 6] = [b"a", b"\n", b"ab", b"aab", b"aa", b"abab"];
        let mut random = 0x2545_f491_4f6c_dd1d_u64;
        for length in 0..200 {
            let haystack: Vec<u8> = (0..length)
                .map(|_| {
                    random ^= random << 13;
                    random ^= random >> 7;
                    random ^= random << 17;
                    // Mostly filler, so that blocks without a hit are passed over too.
                    b"ab..............................\n"[(random % 33) as usize]
                })
                .collect();
            for delimiter in delimiters {
                for from in 0..=length {
                    assert_eq!(
                        find_delimiter(&haystack, delimiter, from),
                        naive(&haystack, delimiter, from),
                        "{delimiter:?} from {from} in {haystack:?}"
                    );
                }
            }
        }
    }
}
