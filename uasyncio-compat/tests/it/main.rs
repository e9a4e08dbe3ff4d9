//! The tests that can share a process, in one program: it builds faster than one for each file.

#[cfg(feature = "hyper")]
mod common;

#[cfg(all(
    feature = "embedded-io-async",
    feature = "futures-io",
    feature = "host-tokio",
    feature = "hyper",
    feature = "tokio-io"
))]
mod ecosystems;
#[cfg(all(feature = "guest-smol", feature = "guest-tokio"))]
mod elsewhere;
#[cfg(feature = "embedded-io-async")]
mod embedded_io;
#[cfg(feature = "futures-io")]
mod futures_io;
mod guest_in_loops;
#[cfg(all(feature = "guest-smol", feature = "guest-tokio"))]
mod guest_load;
#[cfg(feature = "guest-smol")]
mod guest_on_smol;
#[cfg(feature = "guest-tokio")]
mod guest_on_tokio;
#[cfg(feature = "host-tokio")]
mod host_tokio;
#[cfg(feature = "hyper")]
mod hyper_endings;
#[cfg(feature = "hyper")]
mod hyper_http;
#[cfg(feature = "hyper")]
mod hyper_peers;
#[cfg(feature = "hyper")]
mod hyper_timer;
#[cfg(feature = "hyper")]
mod hyper_upgrade;
#[cfg(feature = "names")]
mod names;
#[cfg(feature = "tokio-io")]
mod tokio_io;
