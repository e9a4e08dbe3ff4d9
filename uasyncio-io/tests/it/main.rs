//! The tests that can share a process, in one program: it is linked in a second, where one for each file takes half a minute.

#[cfg(unix)]
mod support;

mod callbacks;
mod load;
mod offload;
mod reactor;
mod readiness;
mod registration;
