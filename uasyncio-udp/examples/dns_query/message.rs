//! Messages of the Domain Name System, as far as a question for addresses needs them (RFC 1035, RFC 3596).

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};

/// No answer without extensions is longer.
pub(crate) const LONGEST: usize = 512;

/// What is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    A = 1,
    Aaaa = 28,
}

/// What a name stands for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Data {
    A(Ipv4Addr),
    Aaaa(Ipv6Addr),
    /// Another name.
    Cname(String),
}

/// A line of the answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Record {
    pub(crate) name: String,
    /// For how many seconds it may be kept.
    pub(crate) ttl: u32,
    pub(crate) data: Data,
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ", self.name, self.ttl)?;
        match &self.data {
            Data::A(address) => write!(f, "A {address}"),
            Data::Aaaa(address) => write!(f, "AAAA {address}"),
            Data::Cname(name) => write!(f, "CNAME {name}"),
        }
    }
}

const CNAME: u16 = 5;
const INTERNET: u16 = 1;

/// Writes the question for a name: an error when it is none.
pub(crate) fn question(id: u16, name: &str, kind: Kind) -> io::Result<Vec<u8>> {
    let mut message = id.to_be_bytes().to_vec();
    // Recursion is desired; one question, nothing else.
    message.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    let start = message.len();
    for label in name.strip_suffix('.').unwrap_or(name).split('.') {
        let is_label = (1..=63).contains(&label.len()) && label.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_label {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{name:?} is no name of the Internet")));
        }
        message.push(label.len() as u8);
        message.extend(label.bytes());
    }
    message.push(0);
    if message.len() - start > 255 {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{name:?} is too long for a name")));
    }
    message.extend([0, kind as u8, 0, INTERNET as u8]);
    Ok(message)
}

/// Reads the answer to a question. `None`: it is none, or one to another question.
pub(crate) fn answer(question: &[u8], message: &[u8]) -> Option<io::Result<Vec<Record>>> {
    let mut reader = Reader { message, at: 0 };
    let (id, flags) = (reader.number()?, reader.number()?);
    let (questions, answers) = (reader.number()?, reader.number()?);
    reader.skip(4)?;
    let is_answer = flags & 0x8000 != 0 && id.to_be_bytes() == question[..2];
    if !is_answer || questions != 1 || !message.get(12..question.len())?.eq_ignore_ascii_case(&question[12..]) {
        return None;
    }
    let failed = match flags & 0xf {
        0 => None,
        1 => Some("the server does not understand the question"),
        2 => Some("the server failed to find an answer"),
        3 => Some("there is no such name"),
        5 => Some("the server refuses to answer"),
        _ => Some("the server answers with an error that has no name here"),
    };
    if let Some(why) = failed {
        return Some(Err(io::Error::other(why)));
    }
    if flags & 0x200 != 0 {
        return Some(Err(io::Error::other("the answer is too long for a datagram; it would take TCP")));
    }
    reader.at = question.len();
    let records = (0..answers).map(|_| reader.record()).collect::<Option<Vec<_>>>();
    let records = records.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the answer makes no sense"));
    Some(records.map(|records| records.into_iter().flatten().collect()))
}

/// Reads a message from front to back. `None`: it ends too early, or makes no sense.
struct Reader<'m> {
    message: &'m [u8],
    at: usize,
}

impl Reader<'_> {
    fn skip(&mut self, count: usize) -> Option<&[u8]> {
        let bytes = self.message.get(self.at..self.at.checked_add(count)?)?;
        self.at += count;
        Some(bytes)
    }

    fn number(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes(self.skip(2)?.try_into().ok()?))
    }

    /// A record; `Some(None)` for one that is not about addresses.
    fn record(&mut self) -> Option<Option<Record>> {
        let name = self.name()?;
        let (kind, class) = (self.number()?, self.number()?);
        let ttl = u32::from(self.number()?) << 16 | u32::from(self.number()?);
        let length = usize::from(self.number()?);
        let start = self.at;
        let bytes = self.skip(length)?;
        let data = if class != INTERNET {
            return Some(None);
        } else if kind == Kind::A as u16 {
            Data::A(<[u8; 4]>::try_from(bytes).ok()?.into())
        } else if kind == Kind::Aaaa as u16 {
            Data::Aaaa(<[u8; 16]>::try_from(bytes).ok()?.into())
        } else if kind == CNAME {
            let mut reader = Reader { message: self.message, at: start };
            Data::Cname(reader.name()?)
        } else {
            return Some(None);
        };
        Some(Some(Record { name, ttl, data }))
    }

    /// A name, whose end may stand at an earlier place of the message.
    fn name(&mut self) -> Option<String> {
        let mut name = String::new();
        // A reference leads back each time, so they come to an end.
        let mut reader = Reader { message: self.message, at: self.at };
        let mut followed = false;
        loop {
            let place = reader.at;
            let length = usize::from(reader.skip(1)?[0]);
            if length >= 0xc0 {
                let target = (length & 0x3f) << 8 | usize::from(reader.skip(1)?[0]);
                if !followed {
                    self.at = reader.at;
                    followed = true;
                }
                if target >= place || name.len() > 255 {
                    return None;
                }
                reader.at = target;
                continue;
            }
            let label = reader.skip(length)?;
            name.extend(label.iter().flat_map(|&byte| std::ascii::escape_default(byte)).map(char::from));
            if length == 0 {
                break;
            }
            name.push('.');
            if name.len() > 4 * 255 {
                return None;
            }
        }
        if !followed {
            self.at = reader.at;
        }
        Some(if name.is_empty() { ".".to_owned() } else { name })
    }
}
