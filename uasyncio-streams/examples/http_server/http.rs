//! Requests of HTTP/1.0 and HTTP/1.1, from bytes: a function without any I/O, for this server and for the benches of others.

use std::mem::MaybeUninit;

use httparse::{Error, Header, Status};

/// The longest head of a request in bytes: request line and headers.
pub(crate) const LONGEST_HEAD: usize = 8 * 1024;

/// The longest body of a request in bytes.
pub(crate) const LONGEST_BODY: u64 = 1024 * 1024;

/// How many headers a request may have.
const MOST_HEADERS: usize = 64;

/// The head of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Request<'a> {
    /// `GET` and the like; in capitals if it is one of those.
    pub method: &'a str,
    /// The path, without host and query.
    pub path: &'a str,
    /// Whether the client wants to send further requests on this connection.
    pub keep_alive: bool,
    /// The length of the head in bytes.
    pub head: usize,
    /// The length of the body that follows it in bytes.
    pub body: u64,
}

/// The request at the beginning of `bytes`; `None` when more bytes are needed.
///
/// # Errors
/// The status code to answer with, after which the connection cannot be used any more.
pub(crate) fn parse(bytes: &[u8]) -> Result<Option<Request<'_>>, u16> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let mut headers = [const { MaybeUninit::<Header<'_>>::uninit() }; MOST_HEADERS];
    let mut request = httparse::Request::new(&mut []);
    let head = match request.parse_with_uninit_headers(bytes, &mut headers) {
        Ok(Status::Complete(head)) if head <= LONGEST_HEAD => head,
        Ok(Status::Partial) if bytes.len() < LONGEST_HEAD => return Ok(None),
        Ok(_) | Err(Error::TooManyHeaders) => return Err(431),
        Err(Error::Version) => return Err(505),
        Err(_) => return Err(400),
    };
    let (Some(method), Some(target), Some(version)) = (request.method, request.path, request.version) else {
        return Err(400);
    };
    let mut keep_alive = version == 1;
    let mut hosts = 0;
    let mut length = None;
    let mut refusal = None;
    for header in request.headers.iter() {
        // The length of a name tells most of them apart.
        match header.name.len() {
            4 if header.name.eq_ignore_ascii_case("host") => hosts += 1,
            10 if header.name.eq_ignore_ascii_case("connection") => {
                for token in header.value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii) {
                    if token.eq_ignore_ascii_case(b"close") {
                        keep_alive = false;
                    } else if token.eq_ignore_ascii_case(b"keep-alive") {
                        keep_alive = true;
                    }
                }
            }
            14 if header.name.eq_ignore_ascii_case("content-length") => {
                let value = number(header.value).ok_or(400_u16)?;
                if length.replace(value).is_some_and(|earlier| earlier != value) {
                    return Err(400);
                }
            }
            // A body without a length: the client may send it again with one.
            17 if header.name.eq_ignore_ascii_case("transfer-encoding") => {
                let chunked = header.value.trim_ascii().eq_ignore_ascii_case(b"chunked");
                refusal = Some(if chunked { 411 } else { 501 });
            }
            _ => {}
        }
    }
    if hosts > 1 || (hosts == 0 && version == 1) {
        return Err(400);
    }
    if let Some(status) = refusal {
        return Err(status);
    }
    let body = length.unwrap_or(0);
    if body > LONGEST_BODY {
        return Err(413);
    }
    Ok(Some(Request { method, path: path_of(target), keep_alive, head, body }))
}

fn number(digits: &[u8]) -> Option<u64> {
    let digits = digits.trim_ascii();
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    // Too large for 64 bits is too large in any case.
    Some(std::str::from_utf8(digits).ok()?.parse().unwrap_or(u64::MAX))
}

/// The path of a request target, which may be a whole URL and have a query.
fn path_of(target: &str) -> &str {
    let path = match target.strip_prefix("http://") {
        Some(rest) => rest.find('/').map_or("/", |start| &rest[start..]),
        None => target,
    };
    match path.bytes().position(|byte| byte == b'?') {
        Some(query) => &path[..query],
        None => path,
    }
}
