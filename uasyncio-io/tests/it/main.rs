//! The tests that can share a process, in one program: it builds faster than one for each file.

#[cfg(unix)]
mod support;

mod callbacks;
mod load;
mod offload;
mod reactor;
mod readiness;
mod registration;
