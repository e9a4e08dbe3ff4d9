//! uasyncio with every other runtime: its streams as other crates' traits and the reverse, and its event loop inside other loops.
//!
//! The other crates of uasyncio know nothing of this one, and it changes nothing globally: an adapter is a type that you name.
//! Each one has a feature of its own; without any of them there is no dependency beyond uasyncio.
//!
#![cfg_attr(
    feature = "tokio-io",
    doc = r#"
```
use uasyncio_compat::tokio_io::{AsTokio, FromTokio};
use uasyncio_streams::split;

uasyncio_core::run(async {
    // A pipe of tokio's, with our streams on top.
    let (near, mut far) = tokio::io::duplex(64);
    let (mut reader, mut writer) = split(FromTokio::new(near));
    writer.awritestr("hello\n").await?;

    // And a pipe of ours, as tokio's traits.
    let (ours, theirs) = uasyncio_streams::duplex(64);
    let mut ours = AsTokio::new(split(ours));
    let copied = uasyncio_core::create_task(async move { tokio::io::copy(&mut far, &mut ours).await });
    let (mut line, _) = split(theirs);
    assert_eq!(line.readline().await?, b"hello\n");

    writer.aclose().await?;
    reader.aclose().await?;
    assert_eq!(copied.await.unwrap()?, 6);
    Ok::<_, std::io::Error>(())
})
.unwrap();
```
"#
)]
//! # What is in which feature
//!
//! | feature | module | what |
//! |---|---|---|
//! | `futures-io` | `futures_io` | our streams as `futures_io::{AsyncRead, AsyncBufRead, AsyncWrite}`, and objects with those as our `Transport` |
//! | `tokio-io` | `tokio_io` | the same for `tokio::io`; brings tokio's traits, and no runtime |
//! | `hyper` | `hyper` | our streams as `hyper::rt::{Read, Write}`, and the reverse for upgraded connections; an `Executor` for futures that are not `Send`; a `Timer` |
//! | `embedded-io-async` | `embedded_io` | our streams as `embedded_io_async::{Read, BufRead, Write}`, and drivers with those as our `Transport` |
//! | `guest-tokio`, `guest-smol` | `guest` | our event loop as one future inside tokio, smol, or a loop of your own |
//! | `host-tokio` | `tokio` | `tokio::run`: one thread that runs both, for libraries that know tokio only |
//! | `names` | `names` | asyncio's and MicroPython's names and orders of arguments |
//!
//! Each module begins with an example.
//!
//! # Which directions there are
//!
//! | | ours for others | others' for us |
//! |---|---|---|
//! | streams, futures-io | `AsFutures` | `FromFutures` |
//! | streams, tokio | `AsTokio` | `FromTokio` |
//! | streams, hyper | `HyperIo`; `TiedIo` before an upgrade | `FromHyper`, after an upgrade |
//! | streams, embedded-io-async | `AsEmbedded` | `FromEmbedded`, of the two halves of a driver |
//! | `Seek`, `AsyncSeek` | no: a stream has no position | no: a [`Transport`](uasyncio_streams::Transport) has none |
//! | tasks, hyper's `Executor` | `LoopExecutor` | no: our tasks run on our loop, which may be a guest |
//! | sleeps, hyper's `Timer` | `LoopTimer` | no: our sleeps are linked into our loop, and its clock may be a virtual one |
//! | loop, tokio | `guest::on_tokio` | `tokio::run`, the other way round inside: tokio has no call for one pass of its loop |
//! | loop, smol | `guest::on_smol` | needs nothing: async-io brings its own thread, and its futures work in our tasks |
//! | loop, any other with futures | `guest::Guest` with a `Host` of yours | needs nothing, if its futures bring their own wakers |
//! | loop without futures | [`EventLoop::turn`](uasyncio_core::EventLoop::turn) | [`add_reader`](uasyncio_io::add_reader) of its descriptor |
//! | locks, queues, channels | `uasyncio-sync` works in any executor as it is | those of others work in ours as they are |
//!
//! What an executor of others can do with `uasyncio-streams` and `uasyncio-udp`: pipes in memory need no loop. A socket is made inside a guest,
//! and is then good for any task of the host's thread for as long as the guest is there; its time limits, and `sleep`, work in the guest's own tasks.
//!
//! A loop without futures, such as a GUI's or one around `poll(2)`, needs nothing of this:
//! [`EventLoop::turn`](uasyncio_core::EventLoop::turn) and the descriptor of the [`Reactor`](uasyncio_io::Reactor) are enough.

#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]

#[cfg(any(feature = "futures-io", feature = "tokio-io", feature = "hyper", feature = "embedded-io-async"))]
mod adopted;
#[cfg(any(feature = "futures-io", feature = "tokio-io", feature = "hyper", feature = "embedded-io-async"))]
mod halves;

#[cfg(feature = "embedded-io-async")]
#[cfg_attr(docsrs, doc(cfg(feature = "embedded-io-async")))]
pub mod embedded_io;
#[cfg(feature = "futures-io")]
#[cfg_attr(docsrs, doc(cfg(feature = "futures-io")))]
pub mod futures_io;
#[cfg(unix)]
#[cfg_attr(docsrs, doc(cfg(unix)))]
pub mod guest;
#[cfg(feature = "hyper")]
#[cfg_attr(docsrs, doc(cfg(feature = "hyper")))]
pub mod hyper;
#[cfg(feature = "names")]
#[cfg_attr(docsrs, doc(cfg(feature = "names")))]
pub mod names;
#[cfg(all(unix, feature = "host-tokio"))]
#[cfg_attr(docsrs, doc(cfg(all(unix, feature = "host-tokio"))))]
pub mod tokio;
#[cfg(feature = "tokio-io")]
#[cfg_attr(docsrs, doc(cfg(feature = "tokio-io")))]
pub mod tokio_io;

#[cfg(any(feature = "futures-io", feature = "tokio-io", feature = "hyper", feature = "embedded-io-async"))]
pub use self::{
    adopted::{Adopted, Foreign},
    halves::{ReadHalf, WriteHalf},
};

#[doc = include_str!("../README.md")]
#[cfg(all(
    doctest,
    unix,
    feature = "embedded-io-async",
    feature = "futures-io",
    feature = "guest-smol",
    feature = "host-tokio",
    feature = "hyper",
    feature = "names",
    feature = "tokio-io"
))]
struct Readme;
