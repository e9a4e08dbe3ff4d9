//! The HTTP of the benchmark: one document, and one parser for every server.
//!
//! The parser is small, so that the figures show the runtimes. It checks what a benchmark needs: a complete head of a `GET`
//! of HTTP/1, and whether the connection is kept. The example `http_server` does more, with a well-kept library.

/// What a server has to know of a request.
pub(crate) struct Request {
    /// The length of the head in bytes.
    pub(crate) head: usize,
    pub(crate) keep_alive: bool,
}

/// Not a request.
#[derive(Debug)]
pub(crate) struct Malformed;

/// The request at the beginning of `bytes`; `None` when more bytes are needed.
pub(crate) fn parse(bytes: &[u8]) -> Result<Option<Request>, Malformed> {
    let Some((request_line, mut at)) = line(bytes, 0) else { return Ok(None) };
    let mut keep_alive = request_line.ends_with(b" HTTP/1.1");
    if !request_line.starts_with(b"GET /") || !(keep_alive || request_line.ends_with(b" HTTP/1.0")) {
        return Err(Malformed);
    }
    loop {
        let Some((header, next)) = line(bytes, at) else { return Ok(None) };
        at = next;
        if header.is_empty() {
            return Ok(Some(Request { head: at, keep_alive }));
        }
        let Some(colon) = header.iter().position(|&byte| byte == b':') else { return Err(Malformed) };
        if header[..colon].eq_ignore_ascii_case(b"connection") {
            keep_alive = !header[colon + 1..].trim_ascii().eq_ignore_ascii_case(b"close");
        }
    }
}

/// The line that begins at `start`, without its end, and where the next one begins.
fn line(bytes: &[u8], start: usize) -> Option<(&[u8], usize)> {
    let rest = &bytes[start..];
    let end = rest.iter().position(|&byte| byte == b'\n')?;
    let line = &rest[..end];
    Some((line.strip_suffix(b"\r").unwrap_or(line), start + end + 1))
}

/// The bytes of the document.
pub const DOCUMENT_LENGTH: usize = 12_000;
const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 12000\r\n\r\n";

/// Head and document in one piece, so that no server copies anything.
pub static DOCUMENT_RESPONSE: &[u8] = &RESPONSE;
static RESPONSE: [u8; HEAD.len() + DOCUMENT_LENGTH] = response();

/// The document without its head, for servers that make their own.
pub fn document() -> &'static [u8] {
    &DOCUMENT_RESPONSE[HEAD.len()..]
}

const fn response() -> [u8; HEAD.len() + DOCUMENT_LENGTH] {
    let mut bytes = [b'x'; HEAD.len() + DOCUMENT_LENGTH];
    let mut at = 0;
    while at < bytes.len() {
        bytes[at] = if at < HEAD.len() { HEAD[at] } else { b'a' + (at % 23) as u8 };
        at += 1;
    }
    bytes
}
