//! Datagram sockets.

#![forbid(unsafe_code)]
