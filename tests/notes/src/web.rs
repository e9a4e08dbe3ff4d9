//! What is at which address, as pages and forms for people and as JSON for programs.

use std::convert::Infallible;

use hyper::body::Incoming;
use hyper::header::{self, HeaderValue};
use hyper::{Method, Request, StatusCode};
use matchit::Router;

use crate::App;
use crate::page::{self, DeletePage, EditPage, NotesPage, Page, Refusal, html, list_place, missing, only, refuse, see_other};
use crate::request;
use crate::store::{Draft, Selection, Unsaved};

/// What has an address.
#[derive(Clone, Copy)]
enum Place {
    Notes { archived: bool },
    NewNote,
    Note,
    DeleteNote,
    ApiNotes,
    ApiNote,
    Events,
    File(&'static str, &'static str),
}

/// Finds places by their addresses.
pub(crate) struct Places(Router<Place>);

pub(crate) fn places() -> Places {
    let mut router = Router::new();
    for (path, place) in [
        ("/", Place::Notes { archived: false }),
        ("/archive", Place::Notes { archived: true }),
        ("/notes", Place::NewNote),
        ("/notes/{id}", Place::Note),
        ("/notes/{id}/delete", Place::DeleteNote),
        ("/api/notes", Place::ApiNotes),
        ("/api/notes/{id}", Place::ApiNote),
        ("/events", Place::Events),
        ("/static/style.css", Place::File("text/css; charset=utf-8", include_str!("../static/style.css"))),
        ("/static/live.js", Place::File("text/javascript; charset=utf-8", include_str!("../static/live.js"))),
        ("/static/icon.svg", Place::File("image/svg+xml", include_str!("../static/icon.svg"))),
    ] {
        router.insert(path, place).expect("the places do not overlap");
    }
    Places(router)
}

impl Places {
    /// The place, and the number of the note that it is about, or 0.
    fn find(&self, path: &str) -> Option<(Place, i64)> {
        let found = self.0.at(path).ok()?;
        let id = found.params.get("id").map_or(Ok(0), str::parse).ok()?;
        Some((*found.value, id))
    }
}

/// Answers a request.
pub(crate) async fn respond(app: &App, request: Request<Incoming>) -> Result<Page, Infallible> {
    let for_program = request.uri().path().starts_with("/api/");
    let asked = request.headers().clone();
    let mut response = answer(app, request).await.unwrap_or_else(|refusal| refusal.into_page(for_program, &asked));
    for (name, value) in [
        (header::CACHE_CONTROL, "no-cache"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"),
        (header::REFERRER_POLICY, "same-origin"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    Ok(response)
}

async fn answer(app: &App, request: Request<Incoming>) -> Result<Page, Refusal> {
    request::for_us(request.headers(), &app.host)?;
    let (place, id) = app.places.find(request.uri().path()).ok_or_else(missing)?;
    let method = match request.method() {
        // hyper leaves the body away.
        &Method::HEAD => Method::GET,
        method => method.clone(),
    };
    if method != Method::GET {
        request::from_our_pages(request.headers())?;
    }
    match (place, method.as_str()) {
        (Place::Notes { archived }, "GET") => {
            let selection = Selection { archived, ..request::query(&request)? };
            let listed = app.store.list(selection.clone()).await?;
            html(NotesPage { selection, listed })
        }
        (Place::Notes { .. }, _) => Err(only("GET, HEAD")),

        (Place::NewNote, "POST") => add(app, request::form::<Draft>(request).await?.tidied()).await,
        (Place::NewNote, _) => Err(only("POST")),

        (Place::Note, "GET") => html(EditPage::of(app.store.get(id).await?.ok_or_else(missing)?)),
        (Place::Note, "POST") => edit(app, id, request::form::<Draft>(request).await?.tidied()).await,
        (Place::Note, _) => Err(only("GET, HEAD, POST")),

        (Place::DeleteNote, "GET") => html(DeletePage { note: app.store.get(id).await?.ok_or_else(missing)? }),
        (Place::DeleteNote, "POST") => {
            // Deleting twice leaves the same notes as deleting once.
            let deleted = app.store.delete(id).await?;
            Ok(see_other(list_place(deleted.is_some_and(|note| note.archived))))
        }
        (Place::DeleteNote, _) => Err(only("GET, HEAD, POST")),

        (Place::ApiNotes, "GET") => Ok(page::json(StatusCode::OK, &app.store.list(request::query(&request)?).await?)),
        (Place::ApiNotes, "POST") => {
            let draft = request::json::<Draft>(request).await?.tidied();
            let note = app.store.add(draft).await?.map_err(unsaved)?;
            let mut response = page::json(StatusCode::CREATED, &note);
            if let Ok(location) = HeaderValue::try_from(format!("/api/notes/{}", note.id)) {
                response.headers_mut().insert(header::LOCATION, location);
            }
            Ok(response)
        }
        (Place::ApiNotes, _) => Err(only("GET, HEAD, POST")),

        (Place::ApiNote, "GET") => Ok(page::json(StatusCode::OK, &app.store.get(id).await?.ok_or_else(missing)?)),
        (Place::ApiNote, "PATCH") => {
            let draft = request::json::<Draft>(request).await?.tidied();
            match app.store.change(id, draft).await? {
                Err(Unsaved::Conflict(now)) => Ok(page::json(StatusCode::CONFLICT, &now)),
                result => Ok(page::json(StatusCode::OK, &result.map_err(unsaved)?)),
            }
        }
        (Place::ApiNote, "DELETE") => {
            app.store.delete(id).await?.ok_or_else(missing)?;
            Ok(page::empty(StatusCode::NO_CONTENT))
        }
        (Place::ApiNote, _) => Err(only("GET, HEAD, PATCH, DELETE")),

        (Place::Events, "GET") => Ok(page::events(app.live.subscribe())),
        (Place::File(kind, text), "GET") => Ok(page::file(kind, text, request.headers())),
        (Place::Events | Place::File(..), _) => Err(only("GET, HEAD")),
    }
}

/// A person's new note.
async fn add(app: &App, draft: Draft) -> Result<Page, Refusal> {
    match app.store.add(draft.clone()).await? {
        Ok(_) => Ok(see_other("/")),
        Err(why) => Err(unsaved(why).with_page(|problem| EditPage::again(None, draft, problem))),
    }
}

/// What a person made of a note.
async fn edit(app: &App, id: i64, draft: Draft) -> Result<Page, Refusal> {
    match app.store.change(id, draft.clone()).await? {
        // Back to the page that the note was on.
        Ok(note) => Ok(see_other(list_place(note.archived != draft.archived.is_some()))),
        Err(Unsaved::Missing) => Err(missing()),
        Err(Unsaved::Conflict(now)) => Err(unsaved(Unsaved::Conflict(now.clone())).with_page(|_| EditPage::conflict(draft, now))),
        Err(why) => Err(unsaved(why).with_page(|problem| EditPage::again(Some(id), draft, problem))),
    }
}

fn unsaved(why: Unsaved) -> Refusal {
    match why {
        Unsaved::Missing => missing(),
        Unsaved::Conflict(_) => refuse(StatusCode::CONFLICT, "This note was changed elsewhere meanwhile."),
        Unsaved::Unfit(why) => refuse(StatusCode::UNPROCESSABLE_ENTITY, why),
    }
}
