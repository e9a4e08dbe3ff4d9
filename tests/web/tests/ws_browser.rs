//! The example `ws_echo` in Chromium, without a window: its page, as a person would use it, and WebSockets from a script.
#![cfg(unix)]

mod common;

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::Command;

use common::{Running, skipped, ws_echo};
use serde_json::{Value, json};

/// A browser, and the program that drives it.
struct Browser {
    _driver: Running,
    port: u16,
    session: String,
}

impl Browser {
    /// `None`: there is none, and the test has said so.
    fn start() -> Option<Browser> {
        let what = "ws_echo in Chromium";
        if Command::new("chromium").arg("--version").output().is_err() {
            skipped(what, "chromium is not installed");
            return None;
        }
        let Ok(mut driver) = Running::start(Command::new("chromedriver").arg("--port=0")) else {
            skipped(what, "chromium-driver is not installed");
            return None;
        };
        let port = loop {
            let line = driver.line();
            assert!(!line.is_empty(), "chromedriver has ended");
            if let Some((_, port)) = line.split_once("started successfully on port ") {
                break port.trim_end_matches('.').parse().unwrap();
            }
        };
        // Root has no sandbox, and the rest keeps Chromium from calling home.
        let flags = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
        ];
        let options = json!({"goog:chromeOptions": {"args": flags}, "timeouts": {"script": 60_000}});
        let mut browser = Browser { _driver: driver, port, session: String::new() };
        let made = browser.call("POST", "", &json!({"capabilities": {"alwaysMatch": options}}));
        browser.session = format!("/{}", made["sessionId"].as_str().unwrap());
        Some(browser)
    }

    /// A command of the WebDriver protocol.
    fn call(&self, method: &str, path: &str, body: &Value) -> Value {
        let answer = self.exchange(method, path, body).unwrap();
        assert!(answer["value"]["error"].is_null(), "{method} {path}: {answer:#}");
        answer["value"].clone()
    }

    fn exchange(&self, method: &str, path: &str, body: &Value) -> io::Result<Value> {
        let body = body.to_string();
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        let (session, length) = (&self.session, body.len());
        let head = format!("{method} /session{session}{path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {length}\r\n\r\n");
        stream.write_all([head, body].concat().as_bytes())?;
        let mut stream = BufReader::new(stream);
        let (mut length, mut line) = (0, String::new());
        while stream.read_line(&mut line)? > 0 && line != "\r\n" {
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().map_err(io::Error::other)?;
            }
            line.clear();
        }
        let mut answer = vec![0; length];
        stream.read_exact(&mut answer)?;
        Ok(serde_json::from_slice(&answer)?)
    }

    fn open(&self, url: &str) {
        self.call("POST", "/url", &json!({"url": url}));
    }

    /// Runs a script as the body of an `async` function, and gives what it returns.
    fn script(&self, script: &str) -> Value {
        let script =
            format!("const done = arguments[0]; (async () => {{ {script} }})().then(done, why => done('failed: ' + why));");
        self.call("POST", "/execute/async", &json!({"script": script, "args": []}))
    }

    /// Waits until an expression in the page, which changes its text when it has news, is true.
    #[track_caller]
    fn wait_until(&self, expression: &str) {
        let script = format!(
            "return new Promise(resolve => {{
                const look = () => ({expression}) && resolve('seen');
                new MutationObserver(look).observe(document.body, {{subtree: true, childList: true, characterData: true}});
                look();
            }});"
        );
        assert_eq!(self.script(&script), "seen", "{expression}");
    }

    /// The reference to an element of the page, in the path of a command.
    fn element(&self, selector: &str) -> String {
        let found = self.call("POST", "/element", &json!({"using": "css selector", "value": selector}));
        let (_, id) = found.as_object().unwrap().iter().next().unwrap();
        format!("/element/{}", id.as_str().unwrap())
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // With the session goes Chromium, which is no child of ours.
        if !self.session.is_empty() {
            let _ = self.exchange("DELETE", "", &json!({}));
        }
    }
}

const CONVERSATIONS: &str = r#"
    const open = () => new Promise((resolve, reject) => {
        const socket = new WebSocket(location.href.replace("http", "ws") + "echo");
        socket.binaryType = "arraybuffer";
        socket.onopen = () => resolve(socket);
        socket.onerror = () => reject("no connection");
    });
    const echo = (socket, message) => new Promise((resolve, reject) => {
        socket.onmessage = event => resolve(event.data);
        socket.onclose = event => reject(`closed: ${event.code}`);
        socket.send(message);
    });
    const end = socket => new Promise(resolve => {
        socket.onclose = event => resolve(`${event.code} ${event.reason} ${event.wasClean}`);
    });
    const same = (a, b) => a.byteLength === b.byteLength && new Uint8Array(a).every((byte, at) => byte === b[at]);

    const seen = [];
    let socket = await open();
    for (const text of ["", "hello", "grün 🦀", "x".repeat(1000000)])
        seen.push(await echo(socket, text) === text);
    for (const length of [0, 1, 126, 65536, 1000000]) {
        const bytes = Uint8Array.from({length}, (_, at) => at * 7);
        seen.push(same(await echo(socket, bytes), bytes));
    }
    let ended = end(socket);
    socket.close(3456, "enough, thanks");
    seen.push(await ended);

    socket = await open();
    ended = end(socket);
    socket.send("x".repeat(2000001));
    seen.push(await ended);

    const sockets = await Promise.all(Array.from({length: 20}, open));
    const answers = await Promise.all(sockets.map((socket, number) => echo(socket, `I am ${number}`)));
    seen.push(answers.every((answer, number) => answer === `I am ${number}`));
    return seen;
"#;

#[test]
fn chromium_gets_its_echo() {
    let Some((mut server, port)) = ws_echo(&["--max-message", "2000000"]) else { return };
    let Some(browser) = Browser::start() else { return };
    browser.open(&format!("http://127.0.0.1:{port}/"));
    // As a person does it.
    browser.wait_until("document.getElementById('state').textContent === 'connected'");
    for text in ["hello", "<b>not bold</b>"] {
        browser.call("POST", &format!("{}/value", browser.element("#text")), &json!({"text": text}));
        browser.call("POST", &format!("{}/click", browser.element("#send")), &json!({}));
        browser.wait_until(&format!("document.querySelector('#answers li')?.textContent === {text:?}"));
    }
    // And as a script does.
    let mut expected = vec![json!(true); 9];
    expected.extend([json!("3456 enough, thanks true"), json!("1009 too long true"), json!(true)]);
    assert_eq!(browser.script(CONVERSATIONS), json!(expected));
    // Everybody who is still there is told of the end: the page, and twenty others.
    server.interrupt();
    // Chromium may have further connections, in case of need.
    let line = server.line();
    assert!(line.ends_with(" connections closed, 0 aborted"), "{line}");
    assert_eq!(server.wait(), Some(0));
    browser.wait_until("document.getElementById('state').textContent === 'closed: 1001 the server is shutting down'");
}
