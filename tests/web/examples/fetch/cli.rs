//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use bytes::Bytes;
use hyper::Method;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use lexopt::{Arg, Parser, ValueExt};

use crate::client::{Limits, Version};
use crate::failure::{Failure, Kind};
use crate::request::Request;

pub(crate) const HELP: &str = "\
Fetches what is at a URL.

usage: fetch [options] URL

  -o, --output FILE          write to FILE, which appears or changes only when all has come; otherwise to the standard output
  -i, --include              write the head of the answer too
  -I, --head                 ask for the head only, and write that
  -X, --method METHOD        GET, or POST with --data, unless said here
  -d, --data TEXT            send this; @FILE sends a file
  -H, --header 'NAME: VALUE' send this too; as often as you like
      --max-redirects N      follow so many (10)
      --allow-downgrade      follow redirects from https to http too
      --cacert FILE          trust the authorities in this PEM file too, beside those that the system trusts
      --http1, --http2       speak this version only; --http2 also without TLS
      --connect-timeout S    seconds until there is a connection (10)
      --stall S              seconds of silence until it is given up (30)
      --max-time S           seconds for everything (no limit)
      --max-size BYTES       give up a longer body (no limit)
      --help                 this text

User and password may stand in the URL. They, and the headers from the command line, go to the host of the URL; another one that it redirects to
gets only those that are no secret (accept, accept-language, content-type, range, user-agent).

exit code: 0 all is well; 2 the command line; 3 no connection; 4 no trust (TLS); 5 out of time; 6 no HTTP, or cut short; 7 redirects;
8 the server says 400 or above; 9 longer than --max-size; 10 cannot write; 130 interrupted";

/// What is to be done.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) request: Request,
    pub(crate) output: Option<PathBuf>,
    pub(crate) show_head: bool,
    pub(crate) authorities: Option<PathBuf>,
    pub(crate) version: Version,
    pub(crate) limits: Limits,
    pub(crate) allow_downgrade: bool,
}

/// `None`: help was asked for.
pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Option<Options>, Failure> {
    read(Parser::from_args(arguments)).map_err(|error| Failure::new(Kind::Usage, format!("{error}; try --help")))?.transpose()
}

/// The outer error is about the words, the inner one about what they mean.
fn read(mut arguments: Parser) -> Result<Option<Result<Options, Failure>>, lexopt::Error> {
    let mut limits = Limits {
        connect: Duration::from_secs(10),
        stall: Duration::from_secs(30),
        total: Duration::MAX,
        redirects: 10,
        size: u64::MAX,
    };
    let (mut url, mut method, mut data, mut headers) = (None, None, None, HeaderMap::new());
    let (mut output, mut authorities, mut version) = (None, None, Version::Any);
    let (mut show_head, mut head, mut allow_downgrade) = (false, false, false);
    while let Some(argument) = arguments.next()? {
        match argument {
            Arg::Long("help") => return Ok(None),
            Arg::Short('o') | Arg::Long("output") => output = Some(PathBuf::from(arguments.value()?)),
            Arg::Short('i') | Arg::Long("include") => show_head = true,
            Arg::Short('I') | Arg::Long("head") => head = true,
            Arg::Short('X') | Arg::Long("method") => method = Some(arguments.value()?.parse_with(Method::from_str)?),
            Arg::Short('d') | Arg::Long("data") => data = Some(read_data(arguments.value()?)?),
            Arg::Short('H') | Arg::Long("header") => {
                let (name, value) = arguments.value()?.parse_with(header)?;
                headers.append(name, value);
            }
            Arg::Long("max-redirects") => limits.redirects = arguments.value()?.parse()?,
            Arg::Long("allow-downgrade") => allow_downgrade = true,
            Arg::Long("cacert") => authorities = Some(PathBuf::from(arguments.value()?)),
            Arg::Long("http1") => version = Version::One,
            Arg::Long("http2") => version = Version::Two,
            Arg::Long("connect-timeout") => limits.connect = arguments.value()?.parse_with(seconds)?,
            Arg::Long("stall") => limits.stall = arguments.value()?.parse_with(seconds)?,
            Arg::Long("max-time") => limits.total = arguments.value()?.parse_with(seconds)?,
            Arg::Long("max-size") => limits.size = arguments.value()?.parse()?,
            Arg::Value(value) if url.is_none() => url = Some(value.string()?),
            _ => return Err(argument.unexpected()),
        }
    }
    let url = url.ok_or("which URL?")?;
    if data.is_some() {
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        headers.entry(CONTENT_TYPE).or_insert(form);
    }
    let usual = if head {
        Method::HEAD
    } else if data.is_some() {
        Method::POST
    } else {
        Method::GET
    };
    let request = Request::new(method.unwrap_or(usual), &url, headers, data.unwrap_or_default());
    let show_head = show_head || head;
    let options = |request| Options { request, output, show_head, authorities, version, limits, allow_downgrade };
    Ok(Some(request.map(options)))
}

fn read_data(value: OsString) -> Result<Bytes, lexopt::Error> {
    let value = value.string()?;
    match value.strip_prefix('@') {
        Some(path) => Ok(std::fs::read(path).map_err(|error| format!("{path}: {error}"))?.into()),
        None => Ok(value.into()),
    }
}

fn header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = text.split_once(':').ok_or("not of the form 'NAME: VALUE'")?;
    let name = name.trim().parse().map_err(|_| "not a name of a header")?;
    Ok((name, value.trim().parse().map_err(|_| "not a value of a header")?))
}

fn seconds(text: &str) -> Result<Duration, &'static str> {
    text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()).ok_or("not a number of seconds")
}
