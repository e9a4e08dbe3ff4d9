//! How large a program is: the allocated sections of a 32-bit little-endian ELF file.

use crate::steps::Problem;

/// Where the memory of the microcontrollers begins that the firmware runs on.
pub(super) const RAM: u32 = 0x2000_0000;
/// How much of it the linker script uses; the stack begins at its end.
pub(super) const RAM_SIZE: u32 = 16 * 1024;

/// Bytes by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sizes {
    /// Code and constants, the vector table among them: flash.
    pub(super) text: u32,
    /// Variables with a first value: RAM, and flash for the value.
    pub(super) data: u32,
    /// Variables that begin as zero or as nothing: RAM.
    pub(super) bss: u32,
    /// Where the variables end, below the stack.
    pub(super) end: u32,
}

impl Sizes {
    pub(super) fn flash(&self) -> u32 {
        self.text + self.data
    }

    /// RAM besides the stack.
    pub(super) fn ram(&self) -> u32 {
        self.data + self.bss
    }

    /// Adds up the sections of an ELF file.
    pub(super) fn of(file: &[u8]) -> Result<Sizes, Problem> {
        let broken = || Problem::Failed("this is not a 32-bit little-endian ELF file".into());
        if file.get(..6) != Some(b"\x7fELF\x01\x01") {
            return Err(broken());
        }
        let table = word(file, 0x20).ok_or_else(broken)?;
        let length = half(file, 0x2E).ok_or_else(broken)?;
        let count = half(file, 0x30).ok_or_else(broken)?;
        let mut sizes = Sizes { end: RAM, ..Sizes::default() };
        for index in 0..count {
            let header = table as usize + usize::from(index) * usize::from(length);
            let field = |number: usize| word(file, header + 4 * number).ok_or_else(broken);
            sizes.add(field(1)?, field(2)?, field(3)?, field(5)?);
        }
        Ok(sizes)
    }

    fn add(&mut self, kind: u32, flags: u32, address: u32, size: u32) {
        const NO_BITS: u32 = 8;
        const ALLOCATED: u32 = 2;
        if flags & ALLOCATED == 0 || size == 0 {
            return;
        }
        if address < RAM {
            self.text += size;
            return;
        }
        self.end = self.end.max(address + size);
        if kind == NO_BITS {
            self.bss += size;
        } else {
            self.data += size;
        }
    }
}

fn word(file: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(file.get(at..at + 4)?.try_into().ok()?))
}

fn half(file: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(file.get(at..at + 2)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::{RAM, Sizes};

    /// A file with nothing but these sections: kind, flags, address, size.
    fn file(sections: &[[u32; 4]]) -> Vec<u8> {
        let mut file = vec![0; 0x34];
        file[..6].copy_from_slice(b"\x7fELF\x01\x01");
        file[0x20] = 0x34;
        file[0x2E] = 40;
        file[0x30] = u8::try_from(sections.len()).unwrap_or(u8::MAX);
        for [kind, flags, address, size] in sections {
            for field in [0, *kind, *flags, *address, 0, *size, 0, 0, 0, 0] {
                file.extend(field.to_le_bytes());
            }
        }
        file
    }

    #[test]
    fn sections_are_told_apart_by_address_and_kind() {
        let sections = [
            [1, 2, 0, 192],      // vectors
            [1, 6, 192, 1000],   // code
            [1, 3, RAM, 8],      // data
            [8, 3, RAM + 8, 40], // bss
            [8, 3, RAM + 48, 0], // nothing
            [1, 0, 0, 100_000],  // what the debugger reads
        ];
        let sizes = Sizes::of(&file(&sections)).unwrap();
        assert_eq!(sizes, Sizes { text: 1192, data: 8, bss: 40, end: RAM + 48 });
        assert_eq!((sizes.flash(), sizes.ram()), (1200, 48));
    }

    #[test]
    fn what_is_no_program_is_an_error() {
        assert!(Sizes::of(b"").is_err());
        assert!(Sizes::of(b"\x7fELF\x02\x01 and so on").is_err());
        assert!(Sizes::of(&file(&[[1, 2, 0, 192]])[..0x40]).is_err());
    }
}
