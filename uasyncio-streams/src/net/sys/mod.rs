//! The operating system's sockets: `linux.rs` makes the fewest system calls, `portable.rs` runs everywhere, and on Linux
//! too when the portable poller is chosen, so that the tests reach it.

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

pub(crate) use socket::{
    NO_SOCKET, OF_ONE_CONNECTION, accept, close_by_reset, connect, listen, read, send_file, write, write_vectored,
};
#[cfg(unix)]
pub(crate) use socket::{accept_unix, connect_unix, listen_unix, unix_socket};
