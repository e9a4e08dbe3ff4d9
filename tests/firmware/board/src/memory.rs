//! How the RAM is used.

use cortex_m::register::msp;

// SAFETY: F6.
unsafe extern "C" {
    static _ram_start: u32;
    static _ram_end: u32;
    static __sheap: u32;
}

/// Bytes of RAM: all of it, what the variables take, and what the stack takes at this moment.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// All of it.
    pub total: u32,
    /// The variables.
    pub variables: u32,
    /// The stack of the caller.
    pub stack: u32,
}

impl Memory {
    /// What is true now.
    pub fn now() -> Memory {
        let address = |symbol: *const u32| symbol.addr() as u32;
        let (start, end) = (address(&raw const _ram_start), address(&raw const _ram_end));
        Memory { total: end - start, variables: address(&raw const __sheap) - start, stack: end - msp::read() }
    }

    /// What neither the variables nor the stack take.
    pub fn free(&self) -> u32 {
        self.total - self.variables - self.stack
    }
}
