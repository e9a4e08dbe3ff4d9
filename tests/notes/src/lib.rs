//! A web app for notes: hyper and a router, askama templates, SQLite, server-sent events, all on one thread and one event loop.
//!
//! ```text
//!  examples/notes.rs ── serve ──► connection ──► web ──► store ──► to_thread: SQLite
//!                                                 ▲        │
//!                                 open pages ◄── live ◄────┘ each change, in the order of the database
//! ```
//!
//! `request` reads what comes, `page` is what goes out, `patience` ends connections of clients that take nothing.
//!
//! Nothing here is `Send` or asks for a lock against threads, except the database's connection, which the blocking calls take with them.

#![forbid(unsafe_code)]

mod live;
mod page;
mod patience;
mod request;
mod store;
mod web;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use uasyncio_compat::hyper::LoopTimer;
use uasyncio_core::create_task;
use uasyncio_streams::{ServerOptions, TcpReader, TcpWriter};
use uasyncio_sync::{Event, Selected, interval, select};

use crate::live::Live;
use crate::patience::Patience;
use crate::store::Store;
use crate::web::Places;

/// How long the head of a request may take, and then its body. So long too may a client be idle between two requests.
const REQUEST: Duration = Duration::from_secs(10);

/// How long a client may take nothing of what is sent to it.
const STUCK: Duration = Duration::from_secs(20);

/// How long requests that are under way may take at the end.
const GRACE: Duration = Duration::from_secs(15);

/// How often open pages hear that the server is there.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Open pages and other connections; more wait until some are gone.
const CONNECTIONS: usize = 1_000;

/// What the handlers share.
struct App {
    /// The name that we listen at.
    host: String,
    places: Places,
    store: Store,
    live: Rc<Live>,
    closing: Event,
}

/// Serves the notes of `database`, which is made if it is not there, until `stop` completes. `ready` is called with the address.
///
/// At the end no further connection is accepted, requests under way are answered, the streams of events end, each change of a note reaches
/// the disk, the database is closed, and then this returns.
///
/// Two programs may share a database; the open pages of each hear at once of its own changes only.
///
/// # Errors
///
/// When the database cannot be opened or is another program's, or the address cannot be listened on.
pub async fn serve(
    host: &str,
    port: u16,
    database: &Path,
    ready: impl FnOnce(SocketAddr),
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    let live = Rc::new(Live::default());
    let store = Store::open(database, live.clone()).await?;
    let app = Rc::new(App { host: host.to_owned(), places: web::places(), store, live, closing: Event::new() });
    let shared = app.clone();
    let handler = move |reader, writer| connection(shared.clone(), reader, writer);
    let options = ServerOptions::default().max_connections(CONNECTIONS).first_byte_deadline(REQUEST);
    let server = match options.start(handler, host, port).await {
        Ok(server) => server,
        Err(error) => {
            app.store.close().await?;
            return Err(error);
        }
    };
    let shared = app.clone();
    let heartbeat = create_task(async move {
        let mut beats = interval(HEARTBEAT);
        loop {
            beats.tick().await;
            shared.live.heartbeat();
        }
    });
    ready(server.local_addr());
    stop.await;
    server.close();
    heartbeat.cancel();
    app.live.close();
    app.closing.set();
    server.shutdown(GRACE).await;
    app.store.close().await
}

/// One client. What goes wrong here concerns nobody else.
async fn connection(app: Rc<App>, reader: TcpReader, writer: TcpWriter) {
    let service = service_fn(|request| web::respond(&app, request));
    let mut builder = http1::Builder::new();
    builder.timer(LoopTimer::new()).header_read_timeout(REQUEST);
    let mut connection = pin!(builder.serve_connection(Patience::new((reader, writer), STUCK), service));
    if let Selected::Second(..) = select(connection.as_mut(), pin!(app.closing.wait())).await {
        connection.as_mut().graceful_shutdown();
        let _ = connection.await;
    }
}
