//! What goes out: pages from templates, JSON, files, events, and refusals in the form that the client can show.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;

use askama::Template;
use http_body_util::{Either, Full};
use hyper::body::Bytes;
use hyper::header::{self, HeaderValue};
use hyper::{HeaderMap, Response, StatusCode};
use serde::Serialize;

use crate::live::Events;
use crate::request::header;
use crate::store::{AT_ONCE, Draft, LONGEST_TEXT, LONGEST_TITLE, Listed, Note, Selection};

pub(crate) type Page = Response<Either<Full<Bytes>, Events>>;

/// The notes, or the archive.
#[derive(Template)]
#[template(path = "notes.html")]
pub(crate) struct NotesPage {
    pub(crate) selection: Selection,
    pub(crate) listed: Listed,
}

impl NotesPage {
    fn place(&self) -> &'static str {
        list_place(self.selection.archived)
    }

    /// Where a new note comes in at the top.
    fn is_newest(&self) -> bool {
        self.selection.q.is_empty() && self.selection.skip == 0
    }
}

/// One note to write: a new one, if it has no number.
#[derive(Template)]
#[template(path = "edit.html")]
pub(crate) struct EditPage {
    id: Option<i64>,
    archived: bool,
    revision: i64,
    title: String,
    text: String,
    problem: Option<String>,
    /// What others have made of it meanwhile.
    theirs: Option<Note>,
}

impl EditPage {
    pub(crate) fn of(note: Note) -> EditPage {
        let Note { id, title, text, archived, revision, .. } = note;
        EditPage { id: Some(id), archived, revision, title, text, problem: None, theirs: None }
    }

    /// What was typed is still there, and `problem` says why it is not saved.
    pub(crate) fn again(id: Option<i64>, draft: Draft, problem: impl Into<String>) -> EditPage {
        EditPage {
            id,
            archived: draft.archived.unwrap_or(false),
            revision: draft.revision.unwrap_or(0),
            title: draft.title.unwrap_or_default(),
            text: draft.text.unwrap_or_default(),
            problem: Some(problem.into()),
            theirs: None,
        }
    }

    /// What was typed beside what is there; what is saved next is about the latter.
    pub(crate) fn conflict(draft: Draft, now: Note) -> EditPage {
        let (title, text) = (draft.title.unwrap_or(now.title.clone()), draft.text.unwrap_or(now.text.clone()));
        let problem = "This note was changed elsewhere while you were writing. Saving now replaces that version with yours.";
        EditPage { title, text, problem: Some(problem.into()), theirs: Some(now.clone()), ..EditPage::of(now) }
    }

    fn back(&self) -> &'static str {
        list_place(self.archived)
    }

    fn heading(&self) -> &'static str {
        if self.id.is_some() { "Edit note" } else { "New note" }
    }
}

/// Asks before a note is deleted.
#[derive(Template)]
#[template(path = "delete.html")]
pub(crate) struct DeletePage {
    pub(crate) note: Note,
}

impl DeletePage {
    fn back(&self) -> &'static str {
        list_place(self.note.archived)
    }
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage<'w> {
    heading: &'static str,
    why: &'w str,
}

#[derive(Template)]
#[template(path = "note.html")]
struct NoteFragment<'n> {
    note: &'n Note,
}

/// Why a request is not answered as it wants to be.
pub(crate) struct Refusal {
    status: StatusCode,
    why: String,
    /// The methods that there are instead.
    allow: Option<&'static str>,
    /// What a person sees, if it is more than the reason.
    page: Option<Box<EditPage>>,
}

pub(crate) fn refuse(status: StatusCode, why: impl Into<String>) -> Refusal {
    Refusal { status, why: why.into(), allow: None, page: None }
}

pub(crate) fn only(methods: &'static str) -> Refusal {
    Refusal { allow: Some(methods), ..refuse(StatusCode::METHOD_NOT_ALLOWED, format!("There is only {methods} here.")) }
}

pub(crate) fn missing() -> Refusal {
    refuse(StatusCode::NOT_FOUND, "There is nothing here. A note that was here may have been deleted.")
}

impl Refusal {
    /// `page` makes it of the reason.
    pub(crate) fn with_page(self, page: impl FnOnce(&str) -> EditPage) -> Refusal {
        Refusal { page: Some(Box::new(page(&self.why))), ..self }
    }

    /// As JSON for programs that use the API, as a page for browsers, as text for all others.
    pub(crate) fn into_page(self, for_program: bool, headers: &HeaderMap) -> Page {
        let mut response = if for_program {
            json(self.status, &serde_json::json!({ "error": self.why }))
        } else if header(headers, header::ACCEPT).contains("text/html") {
            let page = match self.page {
                Some(page) => page.render(),
                None => ErrorPage { heading: self.status.canonical_reason().unwrap_or("Error"), why: &self.why }.render(),
            };
            content(self.status, HTML, page.unwrap_or(self.why))
        } else {
            content(self.status, "text/plain; charset=utf-8", self.why)
        };
        if let Some(methods) = self.allow {
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(methods));
        }
        response
    }
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Refusal {
        eprintln!("error: {error}");
        refuse(StatusCode::INTERNAL_SERVER_ERROR, "The notes cannot be reached just now.")
    }
}

impl From<askama::Error> for Refusal {
    fn from(error: askama::Error) -> Refusal {
        io::Error::other(error).into()
    }
}

/// The data of the event that tells of a note: what programs want to know, and what the pages show.
pub(crate) fn note_event(note: &Note) -> io::Result<String> {
    #[derive(Serialize)]
    struct NoteEvent<'n> {
        #[serde(flatten)]
        note: &'n Note,
        html: String,
    }
    let html = NoteFragment { note }.render().map_err(io::Error::other)?;
    serde_json::to_string(&NoteEvent { note, html }).map_err(io::Error::other)
}

const HTML: &str = "text/html; charset=utf-8";

pub(crate) fn html(page: impl Template) -> Result<Page, Refusal> {
    Ok(content(StatusCode::OK, HTML, page.render()?))
}

pub(crate) fn json(status: StatusCode, value: &impl Serialize) -> Page {
    // Strings, numbers and lists of ours always have a form as JSON.
    content(status, "application/json", serde_json::to_string(value).unwrap_or_default())
}

/// A file that is part of the program. A browser that has it already is told so.
pub(crate) fn file(kind: &'static str, text: &'static str, headers: &HeaderMap) -> Page {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    let tag = format!("\"{:016x}\"", hasher.finish());
    let mut response = match header(headers, header::IF_NONE_MATCH) == tag {
        true => empty(StatusCode::NOT_MODIFIED),
        false => content(StatusCode::OK, kind, text),
    };
    if let Ok(tag) = HeaderValue::try_from(tag) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

pub(crate) fn events(events: Events) -> Page {
    let mut response = Response::new(Either::Right(events));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    response
}

fn content(status: StatusCode, kind: &'static str, content: impl Into<Bytes>) -> Page {
    let mut response = Response::new(Either::Left(Full::new(content.into())));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

pub(crate) fn empty(status: StatusCode) -> Page {
    let mut response = Response::new(Either::Left(Full::default()));
    *response.status_mut() = status;
    response
}

pub(crate) fn list_place(archived: bool) -> &'static str {
    if archived { "/archive" } else { "/" }
}

/// So that reloading the page behind a form does not send it again.
pub(crate) fn see_other(location: &'static str) -> Page {
    let mut response = empty(StatusCode::SEE_OTHER);
    response.headers_mut().insert(header::LOCATION, HeaderValue::from_static(location));
    response
}
