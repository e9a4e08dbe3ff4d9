//! A chat room. Try it with `nc 127.0.0.1 8083` in several terminals.
//!
//! What somebody says goes into a bounded mailbox of each of the others. Nobody waits for a slow client: when its mailbox is
//! full, it is told so and has to leave.

#[path = "support/args.rs"]
mod args;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::process::ExitCode;
use std::rc::Rc;
use std::task::{Poll, Waker};

use uasyncio_core::sleep_ms;
use uasyncio_streams::{ReadError, TcpReader, TcpWriter, start_server};

const HELP: &str = "\
A chat room for clients that speak in lines.

usage: chat [--listen HOST:PORT]

  --listen HOST:PORT   where to listen (127.0.0.1:8083); port 0 takes any free one
  --help               this text

Try it with: nc 127.0.0.1 8083   (in several terminals; the first line is your name,
`/nick NAME` changes it, and `/quit` or the end of input leaves)";

/// The longest line in bytes.
const LONGEST_LINE: usize = 1024;
/// How many lines may wait for one client.
const MAILBOX: usize = 100;
/// How long a client that was too slow may take to read why it has to leave, in milliseconds.
const FAREWELL: u32 = 1_000;

fn main() -> ExitCode {
    let [listen] = args::parse(HELP, [("--listen", "127.0.0.1:8083")]);
    let (host, port) = args::host_and_port(&listen);
    match uasyncio_io::try_run(serve(host, port)) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(error)) => args::fail(&error.to_string()),
        Err(error) => args::fail(&error.to_string()),
    }
}

async fn serve(host: &str, port: u16) -> io::Result<()> {
    let room = Rc::new(Room::default());
    let handler = move |reader, writer| {
        let room = room.clone();
        async move { visit(&room, reader, writer).await }
    };
    let server = start_server(handler, host, port).await?;
    println!("chat room on {}", server.local_addr());
    server.wait_closed().await
}

/// Everybody who is here.
#[derive(Default)]
pub(crate) struct Room {
    clients: RefCell<Vec<Rc<Client>>>,
}

struct Client {
    name: RefCell<String>,
    mailbox: RefCell<Mailbox>,
}

#[derive(Default)]
struct Mailbox {
    lines: VecDeque<Rc<str>>,
    /// No more lines will come.
    closed: bool,
    waker: Option<Waker>,
}

impl Room {
    /// Gives a line to everybody but `from`.
    fn tell_others(&self, from: &Client, line: &str) {
        let line: Rc<str> = line.into();
        // Those who are too slow leave, and the others hear of it in a second round.
        let mut left = Vec::new();
        for client in self.clients.borrow().iter().filter(|client| !std::ptr::eq(&***client, from)) {
            if !client.give(line.clone()) {
                left.push(client.clone());
            }
        }
        for client in left {
            self.remove(&client, "was too slow and had to leave");
        }
    }

    /// Takes a client out of the room, unless it is out already.
    fn remove(&self, client: &Rc<Client>, why: &str) {
        let before = self.clients.borrow().len();
        self.clients.borrow_mut().retain(|other| !Rc::ptr_eq(other, client));
        if self.clients.borrow().len() < before {
            self.tell_others(client, &format!("* {} {why}\n", client.name.borrow()));
        }
    }
}

impl Client {
    /// Puts a line into the mailbox. `false` when it was full: then there is only the reason in it, and it is closed.
    fn give(&self, line: Rc<str>) -> bool {
        let mut mailbox = self.mailbox.borrow_mut();
        let fits = mailbox.lines.len() < MAILBOX;
        if fits {
            mailbox.lines.push_back(line);
        } else {
            mailbox.lines.clear();
            mailbox.lines.push_back("* you read too slowly; come back when you can keep up\n".into());
            mailbox.closed = true;
        }
        let waker = mailbox.waker.take();
        drop(mailbox);
        waker.into_iter().for_each(Waker::wake);
        fits
    }

    /// The next line from the mailbox; `None` when it is closed and empty.
    async fn next_line(&self) -> Option<Rc<str>> {
        poll_fn(|cx| {
            let mut mailbox = self.mailbox.borrow_mut();
            match mailbox.lines.pop_front() {
                Some(line) => Poll::Ready(Some(line)),
                None if mailbox.closed => Poll::Ready(None),
                None => {
                    mailbox.waker = Some(cx.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }

    /// Completes some time after the mailbox was closed.
    async fn overdue(&self) {
        poll_fn(|cx| {
            let mut mailbox = self.mailbox.borrow_mut();
            mailbox.waker = Some(cx.waker().clone());
            if mailbox.closed { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        sleep_ms(FAREWELL).await;
    }
}

/// One client from coming to leaving.
pub(crate) async fn visit(room: &Room, mut reader: TcpReader, mut writer: TcpWriter) {
    reader.set_limit(LONGEST_LINE);
    if writer.awritestr("* what is your name?\n").await.is_err() {
        return;
    }
    let Ok(Some(name)) = next_text(&mut reader).await else { return };
    let client = Rc::new(Client { name: RefCell::new(name), mailbox: RefCell::default() });
    let others = room.clients.borrow().len();
    client.give(format!("* welcome, {}; {others} others are here\n", client.name.borrow()).into());
    room.clients.borrow_mut().push(client.clone());
    room.tell_others(&client, &format!("* {} has come\n", client.name.borrow()));

    let speaking = pin!(listen_to(room, &client, &mut reader));
    let hearing = pin!(write_to(&client, &mut writer));
    let overdue = pin!(client.overdue());
    first_of([speaking, hearing, overdue]).await;
    room.remove(&client, "has left");
}

/// Reads what a client says until it leaves.
async fn listen_to(room: &Room, client: &Client, reader: &mut TcpReader) {
    loop {
        match next_text(reader).await {
            Ok(Some(text)) if text == "/quit" => return,
            Ok(Some(text)) => match text.strip_prefix("/nick ") {
                Some(name) => {
                    let old = client.name.replace(name.trim().to_owned());
                    room.tell_others(client, &format!("* {old} is now {}\n", client.name.borrow()));
                }
                None => room.tell_others(client, &format!("{}: {text}\n", client.name.borrow())),
            },
            Err(ReadError::LimitExceeded { limit }) => {
                client.give(format!("* a line has at most {limit} bytes\n").into());
                if !matches!(reader.skip_until(b"\n").await, Ok(true)) {
                    return;
                }
            }
            Ok(None) | Err(_) => return,
        }
    }
}

/// The next line that is not empty, without control characters; `None` at the end.
async fn next_text(reader: &mut TcpReader) -> Result<Option<String>, ReadError> {
    loop {
        let line = reader.readline().await?;
        if line.is_empty() {
            return Ok(None);
        }
        let text: String = String::from_utf8_lossy(line).chars().filter(|char| !char.is_control()).collect();
        if !text.trim().is_empty() {
            return Ok(Some(text.trim().to_owned()));
        }
    }
}

/// Writes what others say until the mailbox is closed.
async fn write_to(client: &Client, writer: &mut TcpWriter) {
    while let Some(line) = client.next_line().await {
        if writer.awritestr(&line).await.is_err() {
            return;
        }
    }
}

/// Completes when one of the futures does.
async fn first_of<const N: usize>(mut futures: [Pin<&mut dyn Future<Output = ()>>; N]) {
    poll_fn(
        |cx| {
            if futures.iter_mut().any(|future| future.as_mut().poll(cx).is_ready()) { Poll::Ready(()) } else { Poll::Pending }
        },
    )
    .await;
}
