//! The tests that can share a process, in one program: it builds faster than one for each file.

mod support;

mod batches;
mod datagrams;
mod icmp;
mod multicast;
mod options;
mod waiting;
