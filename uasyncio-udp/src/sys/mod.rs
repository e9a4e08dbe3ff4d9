//! The operating system's sockets: `linux.rs` makes the fewest system calls, `portable.rs` runs everywhere, and on Linux
//! too when the portable poller is chosen, so that the tests reach it.
//!
//! `messages.rs` is what Linux has beyond: many datagrams in one call, and what comes along with each. `separate.rs` does
//! the same, a datagram at a time, where that is not to be had or not wanted.

#[cfg_attr(
    all(any(target_os = "linux", target_os = "android"), not(any(uasyncio_poller = "portable", uasyncio_poller = "oneshot"))),
    path = "linux.rs"
)]
#[cfg_attr(
    not(all(
        any(target_os = "linux", target_os = "android"),
        not(any(uasyncio_poller = "portable", uasyncio_poller = "oneshot"))
    )),
    path = "portable.rs"
)]
mod socket;

#[cfg_attr(
    all(
        feature = "batch",
        any(target_os = "linux", target_os = "android"),
        not(any(uasyncio_poller = "portable", uasyncio_poller = "oneshot"))
    ),
    path = "messages.rs"
)]
#[cfg_attr(
    not(all(
        feature = "batch",
        any(target_os = "linux", target_os = "android"),
        not(any(uasyncio_poller = "portable", uasyncio_poller = "oneshot"))
    )),
    path = "separate.rs"
)]
mod messages;

pub(crate) use messages::*;
pub(crate) use socket::*;
