//! What comes in: whether it may, and what it says.

use std::net::{IpAddr, Ipv6Addr};

use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header;
use hyper::http::uri::Authority;
use hyper::{HeaderMap, Request, StatusCode};
use serde::de::DeserializeOwned;
use uasyncio_sync::wait_for;

use crate::REQUEST;
use crate::page::{Refusal, refuse};
use crate::store::Draft;

/// Of a request's body, in bytes: a title and a text as long as they may be, with each character escaped.
const LONGEST_BODY: usize = 256 * 1024;

/// The text of a header; empty if it is not there.
pub(crate) fn header(headers: &HeaderMap, name: impl header::AsHeaderName) -> &str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// Whether the request is for us: for an address, for this machine, or for the name that we listen at.
///
/// Another site may let its own name lead to this machine, and its pages would then pass for ours ("DNS rebinding").
pub(crate) fn for_us(headers: &HeaderMap, listening_at: &str) -> Result<(), Refusal> {
    let host = header(headers, header::HOST);
    // Browsers always say it.
    if host.is_empty() || host.parse().is_ok_and(|host: Authority| is_us(host.host(), listening_at)) {
        return Ok(());
    }
    Err(refuse(
        StatusCode::MISDIRECTED_REQUEST,
        format!("These notes do not go by the name of {host}. Ask for an address, or start them with --listen and that name."),
    ))
}

fn is_us(name: &str, listening_at: &str) -> bool {
    let inside_brackets = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
    name.parse::<IpAddr>().is_ok()
        || inside_brackets.is_some_and(|address| address.parse::<Ipv6Addr>().is_ok())
        || name.eq_ignore_ascii_case("localhost")
        || name.eq_ignore_ascii_case(listening_at)
}

/// Whether a change comes from our own pages, or from a program that is no browser: forms of other sites are refused.
pub(crate) fn from_our_pages(headers: &HeaderMap) -> Result<(), Refusal> {
    let origin = header(headers, header::ORIGIN);
    let allowed = match header(headers, "sec-fetch-site") {
        "same-origin" | "none" => true,
        // Not a browser, or an old one, which says where a form comes from all the same.
        "" => {
            origin.is_empty() || origin.split_once("://").is_some_and(|(_, authority)| authority == header(headers, header::HOST))
        }
        _ => false,
    };
    if allowed { Ok(()) } else { Err(refuse(StatusCode::FORBIDDEN, "Notes are changed from their own pages only.")) }
}

/// What stands behind the `?`.
pub(crate) fn query<T: DeserializeOwned>(request: &Request<Incoming>) -> Result<T, Refusal> {
    let query = request.uri().query().unwrap_or_default();
    serde_urlencoded::from_str(query)
        .map_err(|error| refuse(StatusCode::BAD_REQUEST, format!("This address makes no sense: {error}.")))
}

pub(crate) async fn form<T: DeserializeOwned>(request: Request<Incoming>) -> Result<T, Refusal> {
    let body = body(request, "application/x-www-form-urlencoded").await?;
    serde_urlencoded::from_bytes(&body).map_err(unreadable)
}

pub(crate) async fn json<T: DeserializeOwned>(request: Request<Incoming>) -> Result<T, Refusal> {
    let body = body(request, "application/json").await?;
    serde_json::from_slice(&body).map_err(unreadable)
}

fn unreadable(error: impl std::error::Error) -> Refusal {
    refuse(StatusCode::UNPROCESSABLE_ENTITY, format!("This cannot be understood: {error}."))
}

/// The body of a request that is of this kind, not too long, and not too slow.
async fn body(request: Request<Incoming>, kind: &str) -> Result<Bytes, Refusal> {
    let found = header(request.headers(), header::CONTENT_TYPE).split(';').next().unwrap_or_default();
    if !found.trim().eq_ignore_ascii_case(kind) {
        return Err(refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, format!("What is sent here has to be {kind}.")));
    }
    match wait_for(Limited::new(request.into_body(), LONGEST_BODY).collect(), REQUEST).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            Err(refuse(StatusCode::PAYLOAD_TOO_LARGE, format!("This is too long: at most {LONGEST_BODY} bytes are taken.")))
        }
        Ok(Err(error)) => Err(refuse(StatusCode::BAD_REQUEST, error.to_string())),
        Err(_) => Err(refuse(StatusCode::REQUEST_TIMEOUT, "It took too long to come.")),
    }
}

impl Draft {
    /// As it is stored: without the white space around it, and with the line ends of the machine instead of the browser's CR LF.
    pub(crate) fn tidied(self) -> Draft {
        let plain = |text: String| text.replace("\r\n", "\n");
        let title = self.title.map(|title| plain(title).trim().to_owned());
        let text = self.text.map(|text| plain(text).trim_end().to_owned());
        Draft { title, text, ..self }
    }
}

#[cfg(test)]
mod tests {
    use hyper::HeaderMap;
    use hyper::header::{HeaderName, HeaderValue};

    use super::{for_us, from_our_pages};

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let lines = lines.iter();
        lines.map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn a_name_that_only_leads_here_is_not_ours() {
        for ours in ["127.0.0.1:8085", "[::1]:8085", "localhost", "LOCALHOST:1", "10.0.0.7", "box.example:80", ""] {
            assert!(for_us(&headers(&[("host", ours)]), "box.example").is_ok(), "{ours}");
        }
        for foreign in ["evil.example", "evil.example:8085", "localhost.evil.example", "127.0.0.1.evil.example", "a b", "[evil]"]
        {
            assert!(for_us(&headers(&[("host", foreign)]), "127.0.0.1").is_err(), "{foreign}");
        }
        assert!(for_us(&headers(&[]), "127.0.0.1").is_ok());
    }

    #[test]
    fn forms_of_other_sites_are_not_ours() {
        let host = ("host", "127.0.0.1:8085");
        for ours in [
            &[host][..],
            &[host, ("sec-fetch-site", "same-origin"), ("origin", "http://127.0.0.1:8085")],
            &[host, ("sec-fetch-site", "none")],
            &[host, ("origin", "http://127.0.0.1:8085")],
        ] {
            assert!(from_our_pages(&headers(ours)).is_ok(), "{ours:?}");
        }
        for foreign in [
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
            ("origin", "http://evil.example"),
            ("origin", "http://127.0.0.1:9999"),
            ("origin", "null"),
        ] {
            assert!(from_our_pages(&headers(&[host, foreign])).is_err(), "{foreign:?}");
        }
    }
}
