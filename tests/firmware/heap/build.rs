//! Links with the script of `cortex-m-rt`, which takes the memory map and the interrupts' names from `board`.

fn main() {
    println!("cargo::rustc-link-arg-bins=-Tlink.x");
    println!("cargo::rustc-link-arg-bins=--nmagic"); // no padding to pages of an operating system
    println!("cargo::rerun-if-changed=build.rs");
}
