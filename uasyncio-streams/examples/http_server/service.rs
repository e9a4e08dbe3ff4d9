//! What the server does with a connection.

use std::future::{Future, poll_fn};
use std::io::IoSlice;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use uasyncio_core::{Sleep, sleep};
use uasyncio_streams::{ReadError, StreamReader, StreamWriter, Transport};

use super::http::{self, Request};

/// How many bytes of a refused request are read after the answer, so that the client sees it rather than a reset.
const MOST_DISCARDED: u64 = 256 * 1024;

/// For how long they are read.
const LONGEST_FAREWELL: Duration = Duration::from_secs(2);

/// A document, with the heads of both kinds of answer made in advance.
pub(crate) struct Service {
    head_keep_alive: Vec<u8>,
    head_close: Vec<u8>,
    body: Vec<u8>,
    request_deadline: Duration,
}

fn head(status: u16, length: usize, keep_alive: bool) -> Vec<u8> {
    let reason = match status {
        200 => "OK",
        400 => "Bad Request",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        411 => "Length Required",
        413 => "Content Too Large",
        431 => "Request Header Fields Too Large",
        501 => "Not Implemented",
        505 => "HTTP Version Not Supported",
        _ => "Error",
    };
    let connection = if keep_alive { "keep-alive" } else { "close" };
    let allow = if status == 405 { "Allow: GET, HEAD\r\n" } else { "" };
    format!(
        "HTTP/1.1 {status} {reason}\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n\
         Connection: {connection}\r\n{allow}\r\n"
    )
    .into_bytes()
}

impl Service {
    /// The document of the original's benchmark, `Hello.` in lines, cut to a length in bytes. The head of a request may take so
    /// long from its first byte to its last, and its body as long again.
    pub(crate) fn hello(length: usize, request_deadline: Duration) -> Self {
        let body: Vec<u8> = b"Hello.\r\n".iter().copied().cycle().take(length).collect();
        let [head_keep_alive, head_close] = [true, false].map(|keep_alive| head(200, length, keep_alive));
        Service { head_keep_alive, head_close, body, request_deadline }
    }

    #[allow(dead_code)]
    pub(crate) fn length(&self) -> usize {
        self.body.len()
    }

    /// Answers the requests of one connection until it ends.
    pub(crate) async fn serve<T: Transport>(
        &self,
        reader: &mut StreamReader<T>,
        writer: &mut StreamWriter<T>,
    ) -> Result<(), ReadError> {
        let mut over: Clock = None;
        loop {
            match http::parse(reader.buffered()) {
                Ok(Some(request)) => {
                    let answer = answer_to(&request);
                    let Request { keep_alive, body, .. } = request;
                    // First this, so that a client that reads slowly holds no read buffer.
                    reader.consume(request.head);
                    over = None;
                    match answer {
                        Answer::Document { with_body } => {
                            let head = if keep_alive { &self.head_keep_alive } else { &self.head_close };
                            let body = if with_body { &self.body[..] } else { &[] };
                            writer.awritev(&[IoSlice::new(head), IoSlice::new(body)]).await?;
                        }
                        Answer::Refusal { status, with_body } => refuse(status, keep_alive, with_body, writer).await?,
                    }
                    if (body > 0 && !self.is_discarded(reader, body).await?) || !keep_alive {
                        return Ok(());
                    }
                }
                Ok(None) => {
                    // Most requests come whole, so this clock hardly ever runs.
                    if !reader.buffered().is_empty() && over.is_none() {
                        over = clock(self.request_deadline);
                    }
                    let Some(count) = until(reader.fill_more(), &mut over).await else {
                        return farewell(408, reader, writer).await;
                    };
                    if count? == 0 {
                        // Between two requests this is the way to end; inside one, nobody is left to complain to.
                        return Ok(());
                    }
                }
                Err(status) => return farewell(status, reader, writer).await,
            }
        }
    }

    /// Throws a body away; `false` when there is less of it than was said, or when it takes too long.
    async fn is_discarded<T: Transport>(&self, reader: &mut StreamReader<T>, body: u64) -> Result<bool, ReadError> {
        match until(pin!(discard(reader, body)), &mut clock(self.request_deadline)).await {
            Some(discarded) => Ok(discarded? == body),
            None => Ok(false),
        }
    }
}

/// Refuses what cannot be understood, or takes too long, and sees to it that the client gets to know.
async fn farewell<T: Transport>(
    status: u16,
    reader: &mut StreamReader<T>,
    writer: &mut StreamWriter<T>,
) -> Result<(), ReadError> {
    refuse(status, false, true, writer).await?;
    writer.write_eof().await?;
    let rest = until(pin!(discard(reader, MOST_DISCARDED)), &mut clock(LONGEST_FAREWELL)).await;
    rest.unwrap_or(Ok(0)).map(drop)
}

/// Runs for a while, or does not run.
type Clock = Option<Pin<Box<Sleep>>>;

fn clock(time: Duration) -> Clock {
    Some(Box::pin(sleep(time)))
}

/// What a future gives, unless the clock is over before; without a clock there is no hurry.
async fn until<F: Future + Unpin>(mut future: F, over: &mut Clock) -> Option<F::Output> {
    poll_fn(|cx| match (Pin::new(&mut future).poll(cx), &mut *over) {
        (Poll::Pending, Some(over)) => over.as_mut().poll(cx).map(|()| None),
        (polled, _) => polled.map(Some),
    })
    .await
}

enum Answer {
    Document { with_body: bool },
    Refusal { status: u16, with_body: bool },
}

fn answer_to(request: &Request<'_>) -> Answer {
    let with_body = request.method != "HEAD";
    match (request.method, request.path) {
        ("GET" | "HEAD", "/") => Answer::Document { with_body },
        ("GET" | "HEAD", _) => Answer::Refusal { status: 404, with_body },
        _ => Answer::Refusal { status: 405, with_body },
    }
}

/// Sends an answer that is not the document.
async fn refuse<T: Transport>(
    status: u16,
    keep_alive: bool,
    with_body: bool,
    writer: &mut StreamWriter<T>,
) -> std::io::Result<()> {
    let body = format!("{status}\n");
    let head = head(status, body.len(), keep_alive);
    let body = if with_body { body.as_bytes() } else { &[] };
    writer.awritev(&[IoSlice::new(&head), IoSlice::new(body)]).await
}

/// Throws `count` bytes away, and says how many there were before the end.
async fn discard<T: Transport>(reader: &mut StreamReader<T>, count: u64) -> Result<u64, ReadError> {
    let mut left = count;
    while left > 0 {
        let length = reader.fill_buf().await?.len();
        if length == 0 {
            break;
        }
        let discarded = left.min(length as u64);
        reader.consume(discarded as usize);
        left -= discarded;
    }
    Ok(count - left)
}
