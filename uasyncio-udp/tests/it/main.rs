//! The tests that can share a process, in one program: it is linked in a second, where one for each file takes half a minute.

mod support;

mod batches;
mod datagrams;
mod icmp;
mod multicast;
mod options;
mod waiting;
