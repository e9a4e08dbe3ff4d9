//! What the server does with a connection.

use std::io::IoSlice;

use uasyncio_streams::{ReadError, StreamReader, StreamWriter, Transport};

use crate::http::{self, Request};

/// How many bytes of a refused request are read after the answer, so that the client sees it rather than a reset.
const MOST_DISCARDED: u64 = 256 * 1024;

/// A document, with the heads of both kinds of answer made in advance.
pub(crate) struct Document {
    head_keep_alive: Vec<u8>,
    head_close: Vec<u8>,
    body: Vec<u8>,
}

impl Document {
    /// The document of the original's benchmark, `Hello.` in lines, cut to a length in bytes.
    pub(crate) fn hello(length: usize) -> Self {
        let body: Vec<u8> = b"Hello.\r\n".iter().copied().cycle().take(length).collect();
        Document { head_keep_alive: head(200, length, true), head_close: head(200, length, false), body }
    }
}

fn head(status: u16, length: usize, keep_alive: bool) -> Vec<u8> {
    let reason = match status {
        200 => "OK",
        400 => "Bad Request",
        404 => "Not Found",
        405 => "Method Not Allowed",
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

/// Answers the requests of one connection until it ends.
pub(crate) async fn serve<T: Transport>(
    document: &Document,
    reader: &mut StreamReader<T>,
    writer: &mut StreamWriter<T>,
) -> Result<(), ReadError> {
    loop {
        match http::parse(reader.buffered()) {
            Ok(Some(request)) => {
                let answer = answer_to(&request);
                let Request { keep_alive, body, .. } = request;
                // First this, so that a client that reads slowly holds no read buffer.
                reader.consume(request.head);
                match answer {
                    Answer::Document { with_body } => {
                        let head = if keep_alive { &document.head_keep_alive } else { &document.head_close };
                        let body = if with_body { &document.body[..] } else { &[] };
                        writer.awritev(&[IoSlice::new(head), IoSlice::new(body)]).await?;
                    }
                    Answer::Refusal { status, with_body } => refuse(status, keep_alive, with_body, writer).await?,
                }
                if (body > 0 && discard(reader, body).await? < body) || !keep_alive {
                    return Ok(());
                }
            }
            Ok(None) => {
                if reader.fill_more().await? == 0 {
                    // Between two requests this is the way to end; inside one, nobody is left to complain to.
                    return Ok(());
                }
            }
            Err(status) => {
                refuse(status, false, true, writer).await?;
                writer.write_eof().await?;
                discard(reader, MOST_DISCARDED).await?;
                return Ok(());
            }
        }
    }
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
