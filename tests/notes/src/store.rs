//! The notes in SQLite. Every call of the database is made on another thread; the loop goes on meanwhile.

use std::fmt::Display;
use std::io;
use std::path::Path;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::functions::FunctionFlags;
use rusqlite::{Connection, OptionalExtension, Row, TransactionBehavior, params};
use serde::{Deserialize, Serialize};
use uasyncio_core::create_task;
use uasyncio_io::to_thread;
use uasyncio_sync::Lock;

use crate::live::Live;
use crate::page;

/// So many notes are listed at a time.
pub(crate) const AT_ONCE: u32 = 100;

/// Of a title, in characters.
pub(crate) const LONGEST_TITLE: usize = 200;

/// Of a text, in characters.
pub(crate) const LONGEST_TEXT: usize = 20_000;

/// The version of the tables, in the database's `user_version`.
const VERSION: i64 = 1;

const TABLES: &str = "
    CREATE TABLE notes (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        title TEXT NOT NULL,
        text TEXT NOT NULL,
        archived INTEGER NOT NULL DEFAULT FALSE,
        revision INTEGER NOT NULL DEFAULT 1,
        changed TEXT NOT NULL
    ) STRICT;
    CREATE INDEX notes_by_change ON notes (archived, changed DESC, id DESC);
    PRAGMA user_version = 1;";

/// How long to wait for another program that writes to the same database.
const BUSY: Duration = Duration::from_secs(5);

/// The time in UTC, with milliseconds, which sorts as text.
const NOW: &str = "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')";

/// A note as it is in the database.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Note {
    pub(crate) id: i64,
    pub(crate) title: String,
    pub(crate) text: String,
    pub(crate) archived: bool,
    /// Counts its changes.
    pub(crate) revision: i64,
    /// When it was changed last.
    pub(crate) changed: String,
}

impl Note {
    /// When it was changed last, to the minute; a page with scripts shows it in the reader's own time.
    pub(crate) fn minute(&self) -> String {
        let minute: String = self.changed.chars().take(16).collect();
        minute.replace('T', " ") + " UTC"
    }

    /// What to call it: its title, or how its text begins.
    pub(crate) fn name(&self) -> String {
        let name = if self.title.is_empty() { &self.text } else { &self.title };
        name.chars().take(40).collect()
    }
}

/// What somebody wants a note to be; what is not said stays as it is.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Draft {
    pub(crate) title: Option<String>,
    pub(crate) text: Option<String>,
    pub(crate) archived: Option<bool>,
    /// Which revision of the note it is about. Any, unless it says so.
    pub(crate) revision: Option<i64>,
}

/// Which notes to list: [`AT_ONCE`] at most.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Selection {
    pub(crate) archived: bool,
    /// Words that are all in the note, in capitals or not.
    pub(crate) q: String,
    /// How many later ones to leave out.
    pub(crate) skip: u32,
}

/// The notes that were selected, those first that were changed last.
#[derive(Debug, Serialize)]
pub(crate) struct Listed {
    pub(crate) notes: Vec<Note>,
    /// There are older ones.
    pub(crate) more: bool,
}

/// Why a note was not saved.
pub(crate) enum Unsaved {
    /// There is no such note.
    Missing,
    /// It has been changed by others meanwhile: this is what it is now.
    Conflict(Note),
    /// It cannot be a note, and this is why.
    Unfit(String),
}

/// The database.
pub(crate) struct Store {
    connection: Arc<Mutex<Option<Connection>>>,
    /// Whose turn it is. Those who wait do so in order and hold no thread; and events leave in the order of the changes.
    turn: Rc<Lock<()>>,
    live: Rc<Live>,
}

impl Store {
    pub(crate) async fn open(path: &Path, live: Rc<Live>) -> io::Result<Store> {
        let path = path.to_owned();
        let connection = to_thread(move || open(&path)).await.map_err(failed)??;
        Ok(Store { connection: Arc::new(Mutex::new(Some(connection))), turn: Rc::new(Lock::new(())), live })
    }

    pub(crate) async fn list(&self, selection: Selection) -> io::Result<Listed> {
        let _turn = self.turn.lock().await;
        let list = move |connection: &mut Connection| {
            let Selection { archived, q, skip } = selection;
            let sql = "SELECT * FROM notes WHERE archived = ? AND has_words(title || ' ' || text, ?)
                ORDER BY changed DESC, id DESC LIMIT ? OFFSET ?";
            let mut select = connection.prepare_cached(sql)?;
            let found = select.query_map(params![archived, q, AT_ONCE + 1, skip], note)?;
            let mut notes = found.collect::<rusqlite::Result<Vec<Note>>>()?;
            let more = notes.len() > AT_ONCE as usize;
            notes.truncate(AT_ONCE as usize);
            Ok(Listed { notes, more })
        };
        call(&self.connection, list).await
    }

    pub(crate) async fn get(&self, id: i64) -> io::Result<Option<Note>> {
        let _turn = self.turn.lock().await;
        call(&self.connection, move |connection| get(connection, id)).await
    }

    pub(crate) async fn add(&self, draft: Draft) -> io::Result<Result<Note, Unsaved>> {
        let (title, text) = (draft.title.unwrap_or_default(), draft.text.unwrap_or_default());
        if let Some(why) = unfit(&title, &text) {
            return Ok(Err(Unsaved::Unfit(why)));
        }
        let insert = move |connection: &mut Connection| {
            let sql = format!("INSERT INTO notes (title, text, archived, changed) VALUES (?, ?, ?, {NOW}) RETURNING *");
            connection.query_row(&sql, params![title, text, draft.archived.unwrap_or(false)], note)
        };
        self.write(insert, |note| Some(Change::Saved(note))).await.map(Ok)
    }

    pub(crate) async fn change(&self, id: i64, draft: Draft) -> io::Result<Result<Note, Unsaved>> {
        let update = move |connection: &mut Connection| {
            // Immediate: other programs must not write between what is read here and what is written.
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let Some(old) = get(&transaction, id)? else { return Ok(Err(Unsaved::Missing)) };
            if draft.revision.is_some_and(|revision| revision != old.revision) {
                return Ok(Err(Unsaved::Conflict(old)));
            }
            let title = draft.title.unwrap_or(old.title);
            let text = draft.text.unwrap_or(old.text);
            let archived = draft.archived.unwrap_or(old.archived);
            if let Some(why) = unfit(&title, &text) {
                return Ok(Err(Unsaved::Unfit(why)));
            }
            let sql = format!(
                "UPDATE notes SET title = ?, text = ?, archived = ?, revision = revision + 1, changed = {NOW} WHERE id = ? RETURNING *"
            );
            let new = transaction.query_row(&sql, params![title, text, archived, id], note)?;
            transaction.commit()?;
            Ok(Ok(new))
        };
        self.write(update, |result| result.as_ref().ok().map(Change::Saved)).await
    }

    /// The note as it was; `None` if there was none.
    pub(crate) async fn delete(&self, id: i64) -> io::Result<Option<Note>> {
        let delete = move |connection: &mut Connection| {
            connection.query_row("DELETE FROM notes WHERE id = ? RETURNING *", [id], note).optional()
        };
        self.write(delete, |deleted| deleted.as_ref().map(Change::Deleted)).await
    }

    /// Waits for the calls that are under way, and closes the database.
    pub(crate) async fn close(&self) -> io::Result<()> {
        let _turn = self.turn.lock().await;
        let shared = self.connection.clone();
        let close = move || match shared.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(connection) => connection.close().map_err(|(_, error)| io::Error::other(error)),
            None => Ok(()),
        };
        to_thread(close).await.map_err(failed)?
    }

    /// Writes, and then tells the pages. A task of its own: a client that goes away in between stops neither.
    async fn write<T: Send + 'static>(
        &self,
        operation: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
        change: impl FnOnce(&T) -> Option<Change<'_>> + 'static,
    ) -> io::Result<T> {
        let (connection, turn, live) = (self.connection.clone(), self.turn.clone(), self.live.clone());
        let task = create_task(async move {
            let _turn = turn.lock().await;
            let result = call(&connection, operation).await?;
            match change(&result) {
                Some(Change::Saved(note)) => live.publish("note", &page::note_event(note)?),
                Some(Change::Deleted(note)) => live.publish("gone", &format!("{{\"id\":{}}}", note.id)),
                None => {}
            }
            Ok(result)
        });
        task.await.map_err(failed)?
    }
}

/// What open pages are told of.
enum Change<'n> {
    Saved(&'n Note),
    Deleted(&'n Note),
}

/// Why this cannot be a note.
fn unfit(title: &str, text: &str) -> Option<String> {
    for (part, longest, name) in [(title, LONGEST_TITLE, "title"), (text, LONGEST_TEXT, "text")] {
        let length = part.chars().count();
        if length > longest {
            return Some(format!("The {name} has {length} characters, and there is room for {longest}."));
        }
    }
    let blank = title.trim().is_empty() && text.trim().is_empty();
    blank.then(|| "A note needs a title or a text.".to_owned())
}

/// The error of a task or a call that panicked, as text: what a panic carries need not be `Sync`.
fn failed(error: impl Display) -> io::Error {
    io::Error::other(error.to_string())
}

/// Calls `operation` on another thread.
async fn call<T: Send + 'static>(
    connection: &Arc<Mutex<Option<Connection>>>,
    operation: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
) -> io::Result<T> {
    let connection = connection.clone();
    let call = move || match &mut *connection.lock().unwrap_or_else(PoisonError::into_inner) {
        Some(connection) => operation(connection).map_err(io::Error::other),
        None => Err(io::Error::other("the database is closed")),
    };
    to_thread(call).await.map_err(failed)?
}

fn open(path: &Path) -> io::Result<Connection> {
    let of_path = |error: rusqlite::Error| io::Error::other(format!("{}: {error}", path.display()));
    let mut connection = Connection::open(path).map_err(of_path)?;
    let version = prepare(&mut connection).map_err(of_path)?;
    if version != VERSION {
        return Err(io::Error::other(format!(
            "{}: has tables of version {version}; this program knows {VERSION}",
            path.display()
        )));
    }
    Ok(connection)
}

/// Makes the tables if there are none, and gives their version.
fn prepare(connection: &mut Connection) -> rusqlite::Result<i64> {
    connection.busy_timeout(BUSY)?;
    // Looked at first: the database of another program stays as it is.
    let sql = "SELECT user_version, (SELECT count(*) FROM sqlite_schema) FROM pragma_user_version";
    let (found, tables) = connection.query_row(sql, [], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?)))?;
    if found != VERSION && (found, tables) != (0, 0) {
        return Ok(found);
    }
    connection.pragma_update(None, "journal_mode", "wal")?;
    // A change is on the disk before anybody hears of it.
    connection.pragma_update(None, "synchronous", "full")?;
    // SQLite's own LIKE knows the capitals of English only.
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    connection.create_scalar_function("has_words", 2, flags, |arguments| {
        let text = arguments.get::<String>(0)?.to_lowercase();
        Ok(arguments.get::<String>(1)?.to_lowercase().split_whitespace().all(|word| text.contains(word)))
    })?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let version = |connection: &Connection| connection.pragma_query_value(None, "user_version", |row| row.get(0));
    let mut found = version(&transaction)?;
    if found == 0 {
        transaction.execute_batch(TABLES)?;
        found = version(&transaction)?;
    }
    transaction.commit()?;
    Ok(found)
}

fn get(connection: &Connection, id: i64) -> rusqlite::Result<Option<Note>> {
    connection.prepare_cached("SELECT * FROM notes WHERE id = ?")?.query_row([id], note).optional()
}

fn note(row: &Row<'_>) -> rusqlite::Result<Note> {
    Ok(Note {
        id: row.get("id")?,
        title: row.get("title")?,
        text: row.get("text")?,
        archived: row.get("archived")?,
        revision: row.get("revision")?,
        changed: row.get("changed")?,
    })
}
