//! The HTTP of the benchmark: one parser and one document for every server.

/// The bytes of the document.
pub const DOCUMENT_LENGTH: usize = 12_000;
const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 12000\r\n\r\n";

/// Head and document in one piece, so that no server copies anything.
pub static DOCUMENT_RESPONSE: &[u8] = &RESPONSE;
static RESPONSE: [u8; HEAD.len() + DOCUMENT_LENGTH] = response();

const fn response() -> [u8; HEAD.len() + DOCUMENT_LENGTH] {
    let mut bytes = [b'x'; HEAD.len() + DOCUMENT_LENGTH];
    let mut at = 0;
    while at < bytes.len() {
        bytes[at] = if at < HEAD.len() {
            HEAD[at]
        } else {
            b'a' + (at % 23) as u8
        };
        at += 1;
    }
    bytes
}

pub struct Request {
    pub length: usize,
    pub keep_alive: bool,
}

pub struct Malformed;

/// The first request in the bytes, if it is whole.
pub fn parse(bytes: &[u8]) -> Result<Option<Request>, Malformed> {
    let mut headers = [const { std::mem::MaybeUninit::uninit() }; 16];
    let mut request = httparse::Request::new(&mut []);
    let Ok(status) = request.parse_with_uninit_headers(bytes, &mut headers) else {
        return Err(Malformed);
    };
    let httparse::Status::Complete(length) = status else {
        return Ok(None);
    };
    let connection = request
        .headers
        .iter()
        .find(|header| header.name.eq_ignore_ascii_case("connection"));
    let keep_alive = match connection {
        Some(header) => !header.value.eq_ignore_ascii_case(b"close"),
        None => request.version == Some(1),
    };
    Ok(Some(Request { length, keep_alive }))
}
