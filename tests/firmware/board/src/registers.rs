//! The registers of the nRF51: the only file that reads and writes at addresses.
//!
//! The names are those of the nRF51 Series Reference Manual.

use core::ptr;

/// One 32-bit register.
#[derive(Clone, Copy)]
pub(crate) struct Register(usize);

impl Register {
    pub(crate) fn read(self) -> u32 {
        // SAFETY: F1.
        unsafe { ptr::with_exposed_provenance::<u32>(self.0).read_volatile() }
    }

    pub(crate) fn write(self, value: u32) {
        // SAFETY: F1.
        unsafe { ptr::with_exposed_provenance_mut::<u32>(self.0).write_volatile(value) }
    }

    /// Triggers a task, which is what writing 1 to its register does.
    pub(crate) fn trigger(self) {
        self.write(1);
    }
}

/// What the processor's interrupt controller is doing: ICSR of the Arm manuals.
#[cfg(feature = "nap")]
pub(crate) const INTERRUPT_STATE: Register = Register(0xE000_ED04);

/// One of the timers; only TIMER0 counts 32 bits.
pub(crate) struct Timer(usize);

pub(crate) const TIMER0: Timer = Timer(0x4000_8000);
pub(crate) const TIMER1: Timer = Timer(0x4000_9000);

impl Timer {
    pub(crate) const fn start(&self) -> Register {
        Register(self.0)
    }
    pub(crate) const fn stop(&self) -> Register {
        Register(self.0 + 0x004)
    }
    pub(crate) const fn clear(&self) -> Register {
        Register(self.0 + 0x00C)
    }
    pub(crate) const fn capture<const N: usize>(&self) -> Register {
        const { assert!(N < 4) }
        Register(self.0 + 0x040 + 4 * N)
    }
    pub(crate) const fn compared<const N: usize>(&self) -> Register {
        const { assert!(N < 4) }
        Register(self.0 + 0x140 + 4 * N)
    }
    pub(crate) const fn shortcuts(&self) -> Register {
        Register(self.0 + 0x200)
    }
    pub(crate) const fn interrupt_set(&self) -> Register {
        Register(self.0 + 0x304)
    }
    pub(crate) const fn bit_mode(&self) -> Register {
        Register(self.0 + 0x508)
    }
    pub(crate) const fn prescaler(&self) -> Register {
        Register(self.0 + 0x510)
    }
    pub(crate) const fn compare<const N: usize>(&self) -> Register {
        const { assert!(N < 4) }
        Register(self.0 + 0x540 + 4 * N)
    }
}

/// The bit of COMPARE\[0\] in a timer's interrupt registers.
pub(crate) const COMPARE0: u32 = 1 << 16;
/// In `shortcuts`: a timer that has reached COMPARE\[0\] starts again at zero.
pub(crate) const COMPARE0_CLEAR: u32 = 1;

pub(crate) mod gpio {
    //! The pins.

    use super::Register;

    const BASE: usize = 0x5000_0000;
    pub(crate) const OUT_SET: Register = Register(BASE + 0x508);
    pub(crate) const OUT_CLEAR: Register = Register(BASE + 0x50C);
    pub(crate) const OUT: Register = Register(BASE + 0x504);
    pub(crate) const DIRECTION_SET: Register = Register(BASE + 0x518);
}

#[cfg(feature = "uart")]
pub(crate) mod uart {
    //! The serial port.

    use super::Register;

    const BASE: usize = 0x4000_2000;
    pub(crate) const START_RX: Register = Register(BASE);
    pub(crate) const START_TX: Register = Register(BASE + 0x008);
    pub(crate) const RX_READY: Register = Register(BASE + 0x108);
    pub(crate) const TX_READY: Register = Register(BASE + 0x11C);
    pub(crate) const INTERRUPT_SET: Register = Register(BASE + 0x304);
    pub(crate) const ENABLE: Register = Register(BASE + 0x500);
    pub(crate) const TX_PIN: Register = Register(BASE + 0x50C);
    pub(crate) const RX_PIN: Register = Register(BASE + 0x514);
    pub(crate) const RX_DATA: Register = Register(BASE + 0x518);
    pub(crate) const TX_DATA: Register = Register(BASE + 0x51C);
    pub(crate) const BAUD_RATE: Register = Register(BASE + 0x524);
}
