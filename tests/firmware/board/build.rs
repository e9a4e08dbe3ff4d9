//! Puts the memory map and the names of the interrupts where the linker looks for them.

use std::path::PathBuf;
use std::{env, fs};

const MEMORY: &str = "\
MEMORY
{
  FLASH : ORIGIN = 0x00000000, LENGTH = 256K
  RAM : ORIGIN = 0x20000000, LENGTH = 16K
}
";

/// Who does not handle an interrupt gets the default handler. These are the names in `src/interrupts.rs`.
const DEVICE: &str = "\
PROVIDE(UART0 = DefaultHandler);
PROVIDE(TIMER0 = DefaultHandler);
PROVIDE(TIMER1 = DefaultHandler);
PROVIDE(TIMER2 = DefaultHandler);
";

fn main() -> std::io::Result<()> {
    let folder = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    fs::write(folder.join("memory.x"), MEMORY)?;
    fs::write(folder.join("device.x"), DEVICE)?;
    println!("cargo::rustc-link-search={}", folder.display());
    println!("cargo::rerun-if-changed=build.rs");
    Ok(())
}
