//! Datagrams for uasyncio: UDP sockets that tell you what really arrived.
//!
//! [`UdpSocket`] sends and receives datagrams, one at a time or [many at once](UdpSocket::recv_many). What
//! [`recv`](UdpSocket::recv) gives says how long the datagram was, also when the buffer was too short for it. An ICMP
//! message that an earlier datagram met with never ends a receive loop.
//!
//! ```
//! use uasyncio_core::spawn;
//! use uasyncio_udp::UdpSocket;
//!
//! uasyncio_io::run(async {
//!     let server = UdpSocket::bind(([127, 0, 0, 1], 0))?;
//!     let client = UdpSocket::bind(([127, 0, 0, 1], 0))?;
//!     client.connect(server.local_addr()?)?;
//!
//!     // An echo server that nothing ends.
//!     spawn(async move {
//!         let mut buffer = [0; 2048];
//!         while let Ok(received) = server.recv(&mut buffer).await {
//!             let _ = server.send_to(&buffer[..received.len], received.from).await;
//!         }
//!     });
//!
//!     client.send(b"hello").await?;
//!     let mut answer = [0; 4];
//!     let received = client.recv(&mut answer).await?;
//!     assert_eq!(&answer, b"hell");
//!     assert!(received.truncated);
//!     assert_eq!((received.len, received.full_len), (4, 5));
//!     std::io::Result::Ok(())
//! })?;
//! # std::io::Result::Ok(())
//! ```
//!
//! # Sharing
//!
//! One task may receive while another one sends: every method takes `&self`, so an `Rc<UdpSocket>` does. A second task
//! that receives while the first one waits gets [`ResourceBusy`](std::io::ErrorKind::ResourceBusy), and so does a second
//! one that sends; in the original it would have taken the place of the first, which then waited for ever. For two
//! receivers make two sockets, with [`try_clone`](UdpSocket::try_clone): each datagram goes to one of them.
//!
//! # ICMP
//!
//! A connected socket learns from ICMP messages that nobody listens at the other end, or that the way there is
//! closed. The system reports that to whatever operation comes next, as `ConnectionRefused` for example, and Windows does
//! so even when the socket is not connected. Such an error says nothing about that next operation, so it does not end it:
//! receiving goes on waiting, sending sends its datagram. The socket keeps the error for
//! [`take_error`](UdpSocket::take_error) and counts it in [`icmp_errors`](UdpSocket::icmp_errors). A client that wants to
//! know at once asks for it with [`report_icmp`](UdpSocket::report_icmp); then each one is the result of one operation.
//!
//! # Names
//!
//! Addresses are `impl Into<SocketAddr>`: a `SocketAddr`, or `([127, 0, 0, 1], 53)`. Nothing here looks up a name, which
//! would block the loop.
//!
//! # Features
//!
//! * `batch` (default): on Linux and Android, many datagrams in one system call and the local address of each, with the
//!   crate `nix`. Without it, and on other systems, the same methods make a call for each datagram.
//! * `trace`: tasks that wait for a socket say so in `tasks()`.

#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod family;
mod icmp;
mod multicast;
mod operation;
mod options;
mod received;
mod recv;
mod recv_batch;
mod send;
mod send_from;
mod send_many;
mod socket;
mod sys;

pub use crate::family::Family;
pub use crate::received::{Local, Received};
pub use crate::recv::RecvDatagram;
pub use crate::recv_batch::{Datagram, RecvBatch, RecvMany};
pub use crate::send::SendDatagram;
pub use crate::send_from::SendFrom;
pub use crate::send_many::{Outgoing, SendMany, SendSegments};
pub use crate::socket::{UdpSocket, socket};

#[doc = include_str!("../README.md")]
#[cfg(doctest)]
struct Readme;
