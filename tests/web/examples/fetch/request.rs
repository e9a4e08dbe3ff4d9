//! What is asked for, and where a redirect leads.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use hyper::header::{
    ACCEPT, ACCEPT_LANGUAGE, AUTHORIZATION, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue,
    LOCATION, RANGE, TE, TRANSFER_ENCODING, UPGRADE, USER_AGENT,
};
use hyper::{Method, StatusCode};
use percent_encoding::percent_decode_str;
use url::Url;

use crate::failure::{Failure, Kind};

/// Said to every server; all other headers are for the one that the user named, as any of them may be a secret.
const FOR_EVERYBODY: [HeaderName; 5] = [ACCEPT, ACCEPT_LANGUAGE, CONTENT_TYPE, RANGE, USER_AGENT];

/// How a message is framed is not the user's business.
const OURS: [HeaderName; 5] = [CONNECTION, CONTENT_LENGTH, TE, TRANSFER_ENCODING, UPGRADE];

/// One request. Its URL holds no user and no password, which are in the headers, and no fragment.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Request {
    pub(crate) fn new(method: Method, url: &str, headers: HeaderMap, body: Bytes) -> Result<Request, Failure> {
        let usage = |why: String| Failure::new(Kind::Usage, why);
        let url = Url::parse(url).map_err(|error| usage(format!("{url}: {error}")))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(usage(format!("{}: is for another program", url.scheme())));
        }
        if method == Method::CONNECT {
            return Err(usage("CONNECT is for proxies".to_owned()));
        }
        if let Some(name) = OURS.iter().find(|name| headers.contains_key(*name)) {
            return Err(usage(format!("the header {name} is not yours to set")));
        }
        let mut request = Request { method, url, headers, body };
        request.headers.entry(USER_AGENT).or_insert(HeaderValue::from_static("uasyncio-fetch/0.1"));
        request.headers.entry(ACCEPT).or_insert(HeaderValue::from_static("*/*"));
        request.tidy_url();
        Ok(request)
    }

    /// Moves user and password from the URL to the headers, and leaves out the fragment, which no server is told.
    fn tidy_url(&mut self) {
        self.url.set_fragment(None);
        let decoded = |text: &str| percent_decode_str(text).collect::<Vec<u8>>();
        if self.url.username().is_empty() && self.url.password().is_none() {
            return;
        }
        let pair = [decoded(self.url.username()), decoded(self.url.password().unwrap_or_default())].join(&b':');
        // Neither call fails for a URL with a host, and base64 is a valid header.
        let _ = self.url.set_username("");
        let _ = self.url.set_password(None);
        if let Ok(mut value) = HeaderValue::try_from(format!("Basic {}", BASE64_STANDARD.encode(pair))) {
            value.set_sensitive(true);
            self.headers.insert(AUTHORIZATION, value);
        }
    }

    /// The request that an answer sends us on to; `None`: the answer is the end.
    pub(crate) fn redirected(
        &self,
        status: StatusCode,
        headers: &HeaderMap,
        allow_downgrade: bool,
    ) -> Result<Option<Request>, Failure> {
        let method = match status {
            // Everybody does so, and the standard has followed.
            StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND if self.method == Method::POST => Method::GET,
            StatusCode::SEE_OTHER if self.method != Method::HEAD => Method::GET,
            StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::SEE_OTHER
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT => self.method.clone(),
            _ => return Ok(None),
        };
        let Some(location) = headers.get(LOCATION) else { return Ok(None) };
        let refused = |why: String| Failure::new(Kind::Redirect, format!("{} redirects {why}", self.url));
        let location = std::str::from_utf8(location.as_bytes()).map_err(|_| refused("to something unreadable".to_owned()))?;
        let url = self.url.join(location).map_err(|error| refused(format!("to {location:?}: {error}")))?;
        match (self.url.scheme(), url.scheme()) {
            ("https", "http") if !allow_downgrade => {
                return Err(refused(format!("to {url}, which is not encrypted (--allow-downgrade)")));
            }
            (_, "http" | "https") => {}
            _ => return Err(refused(format!("to {url}, which is for another program"))),
        }
        let mut next = self.clone();
        if url.origin() != self.url.origin() {
            next.headers = HeaderMap::new();
            for name in FOR_EVERYBODY {
                if let Some(value) = self.headers.get(&name) {
                    next.headers.insert(name, value.clone());
                }
            }
        }
        if method != self.method {
            next.body = Bytes::new();
            next.headers.remove(CONTENT_TYPE);
        }
        (next.method, next.url) = (method, url);
        next.tidy_url();
        Ok(Some(next))
    }
}
