//! Server-sent events: every open page hears of every change.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};

use hyper::body::{Body, Bytes, Frame};

/// Events that wait for one page. A page that is further behind loses its connection, and asks for everything when it is back.
const BEHIND: usize = 256;

/// The pages that listen.
#[derive(Default)]
pub(crate) struct Live {
    pages: RefCell<Vec<Weak<Mailbox>>>,
    closed: Cell<bool>,
}

/// What one page has not got yet.
#[derive(Default)]
struct Mailbox {
    events: RefCell<VecDeque<Bytes>>,
    waker: Cell<Option<Waker>>,
    closed: Cell<bool>,
}

/// The body of a response that ends when the server does.
pub(crate) struct Events(Rc<Mailbox>);

impl Live {
    /// A page begins to listen.
    pub(crate) fn subscribe(&self) -> Events {
        let mailbox = Rc::new(Mailbox::default());
        // The first bytes go out at once: the page knows then that nothing escapes it any more.
        mailbox.post(&Bytes::from_static(b"retry: 1000\n\n"));
        mailbox.closed.set(self.closed.get());
        self.pages.borrow_mut().push(Rc::downgrade(&mailbox));
        Events(mailbox)
    }

    /// Tells every page. `data` is one line.
    pub(crate) fn publish(&self, event: &str, data: &str) {
        self.post(&Bytes::from(format!("event: {event}\ndata: {data}\n\n")));
    }

    /// A comment, so that connections on which nothing can be sent any more are noticed.
    pub(crate) fn heartbeat(&self) {
        self.post(&Bytes::from_static(b":\n\n"));
    }

    /// Ends all responses, behind the events that they have.
    pub(crate) fn close(&self) {
        self.closed.set(true);
        for mailbox in self.mailboxes() {
            mailbox.close();
        }
    }

    fn post(&self, event: &Bytes) {
        for mailbox in self.mailboxes() {
            mailbox.post(event);
        }
    }

    /// Those of the pages that are still there.
    fn mailboxes(&self) -> Vec<Rc<Mailbox>> {
        let mut pages = self.pages.borrow_mut();
        pages.retain(|page| page.strong_count() > 0);
        pages.iter().filter_map(Weak::upgrade).collect()
    }
}

impl Mailbox {
    fn post(&self, event: &Bytes) {
        if self.events.borrow().len() == BEHIND {
            return self.close();
        }
        self.events.borrow_mut().push_back(event.clone());
        self.wake();
    }

    fn close(&self) {
        self.closed.set(true);
        self.wake();
    }

    fn wake(&self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

impl Body for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let event = self.0.events.borrow_mut().pop_front();
        match event {
            Some(event) => Poll::Ready(Some(Ok(Frame::data(event)))),
            None if self.0.closed.get() => Poll::Ready(None),
            None => {
                self.0.waker.set(Some(cx.waker().clone()));
                Poll::Pending
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::task::{Context, Poll, Waker};

    use hyper::body::Body;

    use super::{BEHIND, Events, Live};

    /// What the page gets now; `true` at its end.
    fn read(events: &mut Events) -> (String, bool) {
        let mut text = String::new();
        loop {
            match Pin::new(&mut *events).poll_frame(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(Some(Ok(frame))) => text += std::str::from_utf8(&frame.into_data().unwrap()).unwrap(),
                Poll::Ready(None) => return (text, true),
                Poll::Pending => return (text, false),
            }
        }
    }

    #[test]
    fn every_page_gets_every_event_after_it_came() {
        let live = Live::default();
        let mut first = live.subscribe();
        live.publish("note", "1");
        let mut second = live.subscribe();
        live.publish("gone", "2");
        let start = "retry: 1000\n\n";
        assert_eq!(read(&mut first), (format!("{start}event: note\ndata: 1\n\nevent: gone\ndata: 2\n\n"), false));
        assert_eq!(read(&mut second), (format!("{start}event: gone\ndata: 2\n\n"), false));
        drop(first);
        live.heartbeat();
        live.close();
        assert_eq!(read(&mut second), (":\n\n".to_owned(), true));
        assert_eq!(read(&mut live.subscribe()), (start.to_owned(), true));
        assert_eq!(live.mailboxes().len(), 1);
    }

    #[test]
    fn a_page_that_does_not_read_is_given_up() {
        let live = Live::default();
        let mut page = live.subscribe();
        for _ in 0..BEHIND {
            live.publish("note", "1");
        }
        live.publish("note", "2");
        let (text, ended) = read(&mut page);
        assert_eq!((text.matches("data: 1").count(), ended), (BEHIND - 1, true));
    }
}
