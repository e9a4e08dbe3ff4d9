//! asyncio's callbacks for descriptors: `add_reader`, `add_writer`, `remove_reader`, `remove_writer`.
//!
//! Each callback is a task that waits for its direction and calls it, so callbacks take their turn among the tasks, in
//! FIFO order, and cost no allocation a call. The task watches a duplicate of the descriptor, level-triggered (re-armed
//! after each call where there are no levels): the caller only lends the descriptor, and a duplicate cannot be closed,
//! or its number reused, behind the reactor's back.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use crate::interest::source_of;
use crate::reactor::{Inner, Reactor};
use crate::sys::{BorrowedSource, OwnedSource, SourceNumber};
use crate::{AsyncFd, Interest, Pollable};

/// Calls `callback` on the loop whenever `descriptor` is readable. asyncio's `loop.add_reader`.
///
/// It is called again as long as there is something left to read, once a pass of the loop, and also at the end of the
/// stream and on an error; take what is there, or remove it. A callback that was added for the same descriptor before
/// is replaced. The descriptor should be in non-blocking mode.
///
/// The loop keeps a duplicate of the descriptor, so a connection stays open until its callbacks are removed or the loop
/// is dropped. Remove them before you close it. A callback that panics is removed, and the panic goes to the loop's
/// exception handler.
///
/// Regular files are always ready.
///
/// # Errors
///
/// [`io::ErrorKind::Unsupported`] where no loop with a reactor is running (see [`run`](crate::run)); else what the
/// operating system says: no free descriptors, or one that is closed.
///
/// ```
/// use std::{cell::RefCell, io::{Read, Write}, os::unix::net::UnixStream, rc::Rc};
/// use uasyncio_core::yield_now;
///
/// uasyncio_io::run(async {
///     let (mut ours, mut theirs) = UnixStream::pair()?;
///     ours.set_nonblocking(true)?;
///     let seen = Rc::new(RefCell::new(String::new()));
///     let received = seen.clone();
///     let mut stream = ours.try_clone()?;
///     uasyncio_io::add_reader(&ours, move || {
///         let mut buffer = [0; 4]; // Too small for all of it: the callback is called again.
///         if let Ok(length) = stream.read(&mut buffer) {
///             received.borrow_mut().push_str(&String::from_utf8_lossy(&buffer[..length]));
///         }
///     })?;
///     theirs.write_all(b"hello reader")?;
///     while seen.borrow().len() < 12 {
///         yield_now().await;
///     }
///     assert!(uasyncio_io::remove_reader(&ours));
///     std::io::Result::Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
pub fn add_reader(descriptor: &impl Pollable, callback: impl FnMut() + 'static) -> io::Result<()> {
    add(source_of(descriptor), Interest::Read, Box::new(callback))
}

/// Calls `callback` on the loop whenever `descriptor` is writable. asyncio's `loop.add_writer`.
///
/// Everything else as with [`add_reader`]. An idle connection is writable all the time: remove the callback when there
/// is nothing to write.
///
/// # Errors
///
/// As [`add_reader`].
///
/// ```
/// use std::{cell::Cell, os::unix::net::UnixStream, rc::Rc};
///
/// uasyncio_io::run(async {
///     let (ours, _theirs) = UnixStream::pair()?;
///     let called = Rc::new(Cell::new(false));
///     let writable = called.clone();
///     uasyncio_io::add_writer(&ours, move || writable.set(true))?;
///     while !called.get() {
///         uasyncio_core::yield_now().await;
///     }
///     assert!(uasyncio_io::remove_writer(&ours));
///     std::io::Result::Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
pub fn add_writer(descriptor: &impl Pollable, callback: impl FnMut() + 'static) -> io::Result<()> {
    add(source_of(descriptor), Interest::Write, Box::new(callback))
}

/// Removes the callback of [`add_reader`]; says whether there was one. asyncio's `loop.remove_reader`.
///
/// After this it is not called any more, also when the descriptor was found readable already. The writer's callback
/// stays.
///
/// ```
/// uasyncio_io::run(async {
///     let socket = std::net::UdpSocket::bind("127.0.0.1:0")?;
///     uasyncio_io::add_reader(&socket, || ())?;
///     assert!(uasyncio_io::remove_reader(&socket));
///     assert!(!uasyncio_io::remove_reader(&socket));
///     std::io::Result::Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
pub fn remove_reader(descriptor: &impl Pollable) -> bool {
    remove(source_of(descriptor), Interest::Read)
}

/// Removes the callback of [`add_writer`]; says whether there was one. asyncio's `loop.remove_writer`.
///
/// Everything else as with [`remove_reader`].
///
/// ```
/// uasyncio_io::run(async {
///     let socket = std::net::UdpSocket::bind("127.0.0.1:0")?;
///     uasyncio_io::add_writer(&socket, || ())?;
///     assert!(uasyncio_io::remove_writer(&socket));
///     std::io::Result::Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
pub fn remove_writer(descriptor: &impl Pollable) -> bool {
    remove(source_of(descriptor), Interest::Write)
}

/// What the task and the table share of one callback.
pub(crate) struct Callback {
    /// `None` once it was removed. That also wakes the task, which then ends.
    descriptor: RefCell<Option<AsyncFd<OwnedSource>>>,
    /// Taken while it runs: it may remove or replace itself.
    function: Cell<Option<Box<dyn FnMut()>>>,
    /// The system cannot watch it because it never blocks: a regular file.
    always_ready: bool,
}

fn add(descriptor: BorrowedSource<'_>, interest: Interest, function: Box<dyn FnMut()>) -> io::Result<()> {
    let reactor = Reactor::current()?.inner;
    let key = (number(descriptor), interest);
    let descriptor = AsyncFd::level_triggered(descriptor.try_clone_to_owned()?)?;
    // Now, so that the caller gets the error.
    let always_ready = match descriptor.registration().arm(interest, source_of(descriptor.get_ref())) {
        Ok(()) => false,
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => true,
        Err(error) => return Err(error),
    };
    let callback =
        Rc::new(Callback { descriptor: RefCell::new(Some(descriptor)), function: Cell::new(Some(function)), always_ready });
    let replaced = reactor.callbacks.borrow_mut().insert(key, callback.clone());
    if let Some(replaced) = replaced {
        replaced.remove();
    }
    uasyncio_core::spawn(CallbackTask { reactor, key, callback });
    Ok(())
}

fn remove(descriptor: BorrowedSource<'_>, interest: Interest) -> bool {
    let Ok(reactor) = Reactor::current() else { return false };
    let removed = reactor.inner.callbacks.borrow_mut().remove(&(number(descriptor), interest));
    match removed {
        Some(callback) => {
            callback.remove();
            true
        }
        None => false,
    }
}

fn number(descriptor: BorrowedSource<'_>) -> SourceNumber {
    #[cfg(unix)]
    return std::os::fd::AsRawFd::as_raw_fd(&descriptor);
    #[cfg(windows)]
    return std::os::windows::io::AsRawSocket::as_raw_socket(&descriptor);
}

impl Callback {
    fn remove(&self) {
        // Out of their cells before they are dropped: the function may own anything.
        let descriptor = self.descriptor.borrow_mut().take();
        let function = self.function.take();
        drop(descriptor);
        drop(function);
    }

    /// Waits until the function is to be called. `None`: it was removed.
    fn poll_event(&self, cx: &mut Context<'_>, interest: Interest) -> Poll<Option<io::Result<()>>> {
        let descriptor = self.descriptor.borrow();
        let Some(descriptor) = &*descriptor else { return Poll::Ready(None) };
        if self.always_ready {
            return Poll::Ready(Some(Ok(())));
        }
        let ready = descriptor.poll_ready(cx, interest);
        if ready.is_ready() {
            // Used up by the call that follows. The next wait tells if there is more.
            descriptor.registration().source().clear_ready(interest);
        }
        ready.map(Some)
    }

    fn call(&self) {
        let Some(mut function) = self.function.take() else { return };
        function();
        if self.descriptor.borrow().is_some() {
            self.function.set(Some(function));
        }
    }
}

/// The task behind a callback: waits, calls, waits again.
struct CallbackTask {
    reactor: Rc<Inner>,
    key: (SourceNumber, Interest),
    callback: Rc<Callback>,
}

impl Future for CallbackTask {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match self.callback.poll_event(cx, self.key.1) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(None) => return Poll::Ready(()),
            Poll::Ready(Some(Ok(()))) => self.callback.call(),
            // The descriptor was registered before, so this is the system being out of memory.
            Poll::Ready(Some(Err(error))) => panic!("cannot watch a callback's descriptor any more: {error}"),
        }
        if self.callback.always_ready {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        // Park for the next event now; what is left is reported by the next wait, after the others had their turn.
        match self.callback.poll_event(cx, self.key.1) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(None) => Poll::Ready(()),
            Poll::Ready(Some(_)) => unreachable!("readiness was used up above, and only a wait brings it back"),
        }
    }
}

impl Drop for CallbackTask {
    fn drop(&mut self) {
        // The loop ends, or the function panicked. A successor may be in the table already.
        let mut callbacks = self.reactor.callbacks.borrow_mut();
        if callbacks.get(&self.key).is_some_and(|callback| Rc::ptr_eq(callback, &self.callback)) {
            callbacks.remove(&self.key);
        }
        drop(callbacks);
        self.callback.remove();
    }
}
