//! An answer that is being put together.

use core::fmt;

/// How long an answer may be; what is longer is cut off.
const LONGEST: usize = 192;

/// Text in a buffer of its own.
pub(crate) struct Text {
    bytes: [u8; LONGEST],
    length: usize,
}

impl Text {
    pub(crate) const fn new() -> Text {
        Text { bytes: [0; LONGEST], length: 0 }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }

    /// Writes on behind what is there.
    pub(crate) fn add(&mut self, text: fmt::Arguments<'_>) {
        let _ = fmt::Write::write_fmt(self, text); // it is cut off then
    }

    pub(crate) fn clear(&mut self) {
        self.length = 0;
    }
}

impl fmt::Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for &byte in text.as_bytes() {
            *self.bytes.get_mut(self.length).ok_or(fmt::Error)? = byte;
            self.length += 1;
        }
        Ok(())
    }
}
