//! A web stack on uasyncio, as examples to copy from: well-kept crates on our event loop, and nothing of another runtime.
//!
//! * `fetch URL`: an HTTP(S) client on hyper and rustls.
//! * `ws_echo`: a WebSocket server on hyper and tungstenite.
//!
//! ```sh
//! cargo run --release --example fetch -- https://example.org/
//! cargo run --release --example ws_echo
//! ```
//!
//! The library itself is empty.
#![forbid(unsafe_code)]
