//! The HTTP of the benchmark: one document, and one parser for every server, which is that of the example `http_server`.

#[allow(dead_code, unreachable_pub)]
#[path = "../../../uasyncio-streams/examples/http_server/http.rs"]
mod http;

pub(crate) use http::parse;

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
        bytes[at] = if at < HEAD.len() { HEAD[at] } else { b'a' + (at % 23) as u8 };
        at += 1;
    }
    bytes
}
