//! TLS: what it adds to a stream. In memory, on virtual time; `both.rs` has what holds for every transport, `tls_handshake.rs` how a
//! session begins, `tls_peers.rs` other programs.
#![cfg(target_os = "linux")]

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use crate::certificates::both;
use crate::common::{Random, Wakes};
use crate::sessions::{Halves, is_pending, run, sessions, tls_error};
use uasyncio_core::{create_task, yield_now};
use uasyncio_streams::tls::{TlsTransport, rustls};
use uasyncio_streams::{Direction, Duplex, Transport, TryError, duplex, unsplit};

#[test]
fn a_session_works_however_little_the_transport_takes_at_a_time() {
    for capacity in [1, 7, 100, 100_000] {
        run(async {
            let (near, far) = duplex(capacity);
            let ((mut reader, mut writer), (mut far_reader, mut far_writer)) = sessions(near, far).await;
            let data = vec![b'x'; 40_000];
            let sent = data.clone();
            let answering = create_task(async move {
                far_writer.awrite(&sent).await.unwrap();
                far_writer.awritestr("\n").await.unwrap();
                assert_eq!(far_reader.readline().await.unwrap(), b"thanks\n");
                far_writer.aclose().await.unwrap();
            });
            assert_eq!(reader.readexactly(40_000).await.unwrap(), data);
            assert_eq!(reader.readline().await.unwrap(), b"\n");
            writer.awritestr("thanks\n").await.unwrap();
            assert_eq!(reader.read_to_end(0).await.unwrap(), b"");
            answering.await.unwrap();
        });
    }
}

#[test]
fn an_end_without_close_notify_is_an_error() {
    run(async {
        let (near, far) = duplex(10_000);
        let ((mut reader, _writer), (far_reader, mut far_writer)) = sessions(near, far).await;
        far_writer.awritestr("all that w").await.unwrap();
        far_writer.transport().inner().close();
        let error: io::Error = reader.readline().await.unwrap_err().into();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        assert_eq!(reader.buffered(), b"all that w");
        assert_eq!(reader.fill_more().await.map_err(io::Error::from).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        drop(far_reader);
    });
}

#[test]
fn the_end_is_announced_by_write_eof_by_aclose_and_by_dropping() {
    for how in 0..4 {
        run(async move {
            let (near, far) = duplex(10_000);
            let ((mut reader, mut writer), (mut far_reader, mut far_writer)) = sessions(near, far).await;
            far_writer.awritestr("the end").await.unwrap();
            match how {
                0 => far_writer.write_eof().await.unwrap(),
                1 => far_writer.aclose().await.unwrap(),
                2 => far_reader.aclose().await.unwrap(),
                _ => drop((far_reader, far_writer)),
            }
            assert_eq!(reader.readline().await.unwrap(), b"the end", "{how}");
            assert_eq!(reader.readline().await.unwrap(), b"", "{how}");
            writer.aclose().await.unwrap();
        });
    }
}

#[test]
fn abort_is_no_proper_end() {
    run(async {
        let (near, far) = duplex(10_000);
        let ((mut reader, _writer), (_far_reader, mut far_writer)) = sessions(near, far).await;
        far_writer.abort();
        assert_eq!(reader.fill_buf().await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    });
}

#[test]
fn aclose_waits_for_a_peer_that_does_not_read_and_may_be_tried_again() {
    run(async {
        let (near, far) = duplex(500);
        let ((mut reader, _writer), (_far_reader, mut far_writer)) = sessions(near, far).await;
        let mut write = far_writer.awrite(&[b'x'; 20_000]);
        assert!(is_pending(&mut write).await);
        assert_eq!(write.written(), 20_000, "encrypted, and held");
        for _ in 0..3 {
            let mut close = far_writer.aclose();
            assert!(is_pending(&mut close).await);
        }
        let closing = create_task(async move { far_writer.aclose().await });
        assert_eq!(reader.read_to_end(20_000).await.unwrap().len(), 20_000);
        closing.await.unwrap().unwrap();
    });
}

// AW-2, AW-3: what a session holds is bounded.
#[test]
fn a_write_to_a_stalled_peer_waits() {
    run(async {
        let (near, far) = duplex(1000);
        let (_near, (_far_reader, mut far_writer)) = sessions(near, far).await;
        let data = vec![0; 10_000_000];
        let mut write = far_writer.awrite(&data);
        for _ in 0..100 {
            assert!(is_pending(&mut write).await);
            yield_now().await;
        }
        assert!(write.written() <= 64 * 1024, "{}", write.written());
    });
}

// AW-5, AW-9.
#[test]
fn aw_9_cancelled_writes_and_reads_lose_and_repeat_nothing() {
    for seed in 0..20 {
        run(async move {
            let mut random = Random::new(seed);
            let (near, far) = duplex(1 + random.below(3000));
            let ((mut reader, _writer), (_far_reader, mut far_writer)) = sessions(near, far).await;
            let data: Vec<u8> = (0..300_000_u32).map(|number| (number % 251) as u8).collect();
            let sent = data.clone();
            let sending = create_task(async move {
                while (far_writer.written() as usize) < sent.len() {
                    let start = far_writer.written() as usize;
                    let end = sent.len().min(start + 1 + random.below(50_000));
                    let mut write = far_writer.awrite(&sent[start..end]);
                    for _ in 0..random.below(3) {
                        if !is_pending(&mut write).await {
                            break;
                        }
                        yield_now().await;
                    }
                }
                far_writer.aclose().await.unwrap();
            });
            let mut random = Random::new(seed + 1000);
            let mut received: Vec<u8> = Vec::new();
            let mut buffer = vec![0; 5000];
            while received.len() < data.len() {
                let mut read = reader.read(&mut buffer[..1 + random.below(5000)]);
                match poll_fn(|cx| Poll::Ready(Pin::new(&mut read).poll(cx))).await {
                    Poll::Ready(count) => received.extend(&buffer[..count.unwrap()]),
                    Poll::Pending => yield_now().await,
                }
            }
            assert!(received == data, "seed {seed}");
            assert_eq!(reader.fill_buf().await.unwrap(), b"");
            sending.await.unwrap();
        });
    }
}

/// A transport that can do something when it is written to, or change what is written.
struct Hooked {
    inner: Duplex,
    hook: RefCell<Option<Hook>>,
}

type Hook = Box<dyn FnMut(&mut Vec<u8>)>;

impl Hooked {
    fn pair(capacity: usize) -> (Hooked, Hooked) {
        let (near, far) = duplex(capacity);
        (Hooked { inner: near, hook: RefCell::default() }, Hooked { inner: far, hook: RefCell::default() })
    }
}

impl Transport for Hooked {
    fn try_read(&self, buffer: &mut [u8]) -> Result<usize, TryError> {
        self.inner.try_read(buffer)
    }
    fn try_write(&self, data: &[u8]) -> Result<usize, TryError> {
        let hook = self.hook.take();
        let mut data = data.to_vec();
        if let Some(mut hook) = hook {
            hook(&mut data);
            self.hook.replace(Some(hook));
        }
        self.inner.try_write(&data)
    }
    fn poll_ready(&self, cx: &mut Context<'_>, direction: Direction) -> Poll<io::Result<()>> {
        self.inner.poll_ready(cx, direction)
    }
    fn close_write(&self) -> Result<(), TryError> {
        self.inner.close_write()
    }
    fn close(&self) {
        self.inner.close();
    }
}

#[test]
fn a_changed_byte_is_an_error_for_good_and_the_peer_is_told() {
    run(async {
        let (near, far) = Hooked::pair(10_000);
        let ((mut reader, mut writer), (mut far_reader, mut far_writer)) = sessions(near, far).await;
        far_writer.awritestr("whole\n").await.unwrap();
        *far_writer.transport().inner().hook.borrow_mut() = Some(Box::new(|data| *data.last_mut().unwrap() ^= 1));
        far_writer.awritestr("broken\n").await.unwrap();
        assert_eq!(reader.readline().await.unwrap(), b"whole\n");
        for _ in 0..2 {
            assert!(matches!(tls_error(reader.readline().await.unwrap_err().into()), rustls::Error::DecryptError));
        }
        assert_eq!(writer.awritestr("x").await.unwrap_err().kind(), io::ErrorKind::InvalidData);
        let error = tls_error(far_reader.readline().await.unwrap_err().into());
        assert!(matches!(error, rustls::Error::AlertReceived(_)), "{error}");
    });
}

// A waker may run anything inside `wake`, another operation of the same session too.
#[test]
fn an_operation_inside_an_operation_waits_and_is_woken() {
    run(async {
        let (near, far) = Hooked::pair(10_000);
        let ((reader, writer), (mut far_reader, _far_writer)) = sessions(near, far).await;
        let session: Rc<TlsTransport<Hooked>> = Rc::new(unsplit(reader, writer).unwrap().transport);
        let inside = session.clone();
        let (wakes, waker) = Wakes::new();
        let calls = Rc::new(Cell::new(0));
        let called = calls.clone();
        *session.inner().hook.borrow_mut() = Some(Box::new(move |_| {
            called.set(called.get() + 1);
            assert!(matches!(inside.try_read(&mut [0; 10]), Err(TryError::Blocked(Direction::Read))));
            let ready = inside.poll_ready(&mut Context::from_waker(&waker), Direction::Read);
            assert!(ready.is_pending());
            if called.get() == 2 {
                inside.close();
            }
        }));
        assert_eq!(session.try_write(b"one\n").unwrap(), 4);
        assert_eq!((calls.get(), wakes.take()), (1, 1));
        assert_eq!(far_reader.readline().await.unwrap(), b"one\n");
        // Closed from inside: the transport below says so.
        assert!(session.try_write(b"two\n").is_err());
        assert!(wakes.take() > 0);
        session.inner().hook.take();
        assert!(matches!(session.try_read(&mut [0; 10]), Err(TryError::Failed(_))));
    });
}

#[test]
fn a_session_may_run_inside_a_session() {
    run(async {
        let (near, far) = duplex(300);
        let (near, far) = sessions(near, far).await;
        let whole = |(reader, writer): Halves<Duplex>| unsplit(reader, writer).unwrap().transport;
        let ((mut reader, mut writer), (mut far_reader, mut far_writer)) = sessions(whole(near), whole(far)).await;
        let echoing = create_task(async move {
            let data = far_reader.readexactly(30_000).await.unwrap();
            far_writer.awrite(data).await.unwrap();
            far_writer.aclose().await.unwrap();
        });
        let data = vec![7; 30_000];
        writer.awrite(&data).await.unwrap();
        assert_eq!(reader.read_to_end(30_000).await.unwrap(), data);
        echoing.await.unwrap();
    });
}

#[test]
fn nothing_secret_is_printed() {
    run(async {
        let (connector, acceptor) = both();
        assert_eq!(format!("{connector:?}"), "TlsConnector { deadline: 10s, .. }");
        assert_eq!(format!("{acceptor:?}"), "TlsAcceptor { deadline: 10s, .. }");
        let (near, far) = duplex(10_000);
        let ((reader, _writer), _far) = sessions(near, far).await;
        assert_eq!(format!("{:?}", reader.transport()), "TlsTransport { closed: false, .. }");
    });
}
