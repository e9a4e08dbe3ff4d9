//! What the host and the program call of each other, and the host as a platform.

use std::task::{Wake, Waker};

use uasyncio_core::{LoopContext, Platform, Ticks};

mod imports {
    //! The functions that `host.mjs` brings.

    // SAFETY: F7.
    #[link(wasm_import_module = "host")]
    unsafe extern "C" {
        /// Milliseconds since some moment, modulo 2^32.
        pub(super) safe fn now() -> u32;
        /// Shows a line of text, which is UTF-8.
        pub(super) safe fn print(text: *const u8, length: usize);
        /// Asks for a turn soon.
        pub(super) safe fn wake();
    }
}

/// Shows a line of text.
pub(crate) fn print(text: &str) {
    imports::print(text.as_ptr(), text.len());
}

/// The host: it tells the time, and waits by itself.
#[derive(Debug)]
pub(crate) struct Host;

impl Platform for Host {
    fn now(&self) -> Ticks {
        Ticks::from_millis(imports::now())
    }

    /// The host never lets us wait.
    fn wait(&self, _timeout: Option<u32>) {}

    fn notifier(&self) -> Waker {
        struct Notifier;
        impl Wake for Notifier {
            fn wake(self: std::sync::Arc<Self>) {
                imports::wake();
            }
        }
        std::sync::Arc::new(Notifier).into()
    }

    fn loop_context(&self) -> Option<LoopContext> {
        // SAFETY: F7.
        Some(unsafe { LoopContext::assume() })
    }
}

// SAFETY: F7.
#[unsafe(no_mangle)]
extern "C" fn start() {
    crate::start();
}

// SAFETY: F7.
#[unsafe(no_mangle)]
extern "C" fn turn() -> i32 {
    crate::turn()
}
