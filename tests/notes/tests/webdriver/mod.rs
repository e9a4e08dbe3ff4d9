//! A browser that tests drive: a small client of the W3C's WebDriver, on hyper and our loop, with `chromedriver` on the other side.

use std::env;
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{Method, Request, client, header};
use serde_json::{Value, json};
use uasyncio_compat::hyper::HyperIo;
use uasyncio_core::{create_task, sleep_ms};
use uasyncio_io::to_thread;
use uasyncio_streams::open_connection;
use uasyncio_sync::wait_for;

use crate::support::LIMIT;

/// The key under which WebDriver names an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A headless Chromium.
pub(crate) struct Browser {
    driver: Child,
    /// Held, so that the driver can go on printing.
    _output: BufReader<ChildStdout>,
    port: u16,
    session: String,
    /// The profile, gone when this is dropped.
    folder: PathBuf,
}

/// An element of the current page.
pub(crate) struct Element<'b> {
    browser: &'b Browser,
    id: String,
}

impl Browser {
    /// `None`, and a line that says so, if there is no `chromedriver` or no browser. Without scripts, pages have no JavaScript; what the
    /// driver itself runs in them works all the same.
    pub(crate) async fn start(name: &str, scripts: bool) -> Option<Browser> {
        for program in ["chromedriver", "chromium"] {
            if Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_err() {
                // Past the test harness, which hides what a passing test prints.
                writeln!(io::stdout().lock(), "\nSKIPPED: notes in a browser, {name} ({program} is not installed)").unwrap();
                return None;
            }
        }
        let folder = env::temp_dir().join(format!("uasyncio-browser-{}-{name}", std::process::id()));
        let mut driver =
            Command::new("chromedriver").arg("--port=0").stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut output = BufReader::new(driver.stdout.take().unwrap());
        let ready = move || {
            let mut line = String::new();
            while output.read_line(&mut line).unwrap() > 0 {
                if let Some((_, port)) = line.trim_end().split_once("started successfully on port ") {
                    return Some((port.trim_end_matches('.').parse().unwrap(), output));
                }
                line.clear();
            }
            None
        };
        let (port, output) = to_thread(ready).await.unwrap().expect("a driver that starts");
        let mut browser = Browser { driver, _output: output, port, session: String::new(), folder };
        let profile = format!("--user-data-dir={}", browser.folder.display());
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
            &profile,
        ];
        let block = 2;
        let preferences = match scripts {
            true => json!({}),
            false => json!({ "profile.managed_default_content_settings.javascript": block }),
        };
        let options = json!({ "args": flags, "prefs": preferences });
        let wanted = json!({ "capabilities": { "alwaysMatch": { "goog:chromeOptions": options } } });
        let session = browser.send(Method::POST, "/session", &wanted).await.expect("a browser that starts");
        browser.session = session["sessionId"].as_str().unwrap().to_owned();
        Some(browser)
    }

    /// Sends a command to the driver; an error is its text.
    async fn send(&self, method: Method, path: &str, parameters: &Value) -> Result<Value, String> {
        let body = if method == Method::POST { parameters.to_string() } else { String::new() };
        let request = Request::builder().method(method).uri(path).header(header::HOST, format!("127.0.0.1:{}", self.port));
        let request = request.header(header::CONTENT_TYPE, "application/json").body(Full::new(Bytes::from(body))).unwrap();
        let connection = HyperIo::new(open_connection("127.0.0.1", self.port).await.unwrap());
        let (mut sender, connection) = client::conn::http1::handshake(connection).await.unwrap();
        let connection = create_task(connection);
        let answer = wait_for(sender.send_request(request), LIMIT).await.expect("an answer of the driver").unwrap();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        connection.cancel();
        let mut answer: Value = serde_json::from_slice(&body).unwrap();
        match answer["value"]["error"].as_str() {
            Some(error) => Err(format!("{path}: {error}: {}", answer["value"]["message"])),
            None => Ok(answer["value"].take()),
        }
    }

    async fn try_post(&self, path: &str, parameters: Value) -> Result<Value, String> {
        self.send(Method::POST, &format!("/session/{}{path}", self.session), &parameters).await
    }

    async fn post(&self, path: &str, parameters: Value) -> Value {
        self.try_post(path, parameters).await.unwrap()
    }

    async fn get(&self, path: &str) -> Value {
        self.send(Method::GET, &format!("/session/{}{path}", self.session), &Value::Null).await.unwrap()
    }

    /// Goes to an address, and waits for the page.
    pub(crate) async fn go(&self, address: &str) {
        self.post("/url", json!({ "url": address })).await;
    }

    pub(crate) async fn address(&self) -> String {
        self.get("/url").await.as_str().unwrap().to_owned()
    }

    /// The handle of the current window.
    pub(crate) async fn window(&self) -> String {
        self.get("/window").await.as_str().unwrap().to_owned()
    }

    /// Opens one more window, and gives its handle.
    pub(crate) async fn new_window(&self) -> String {
        self.post("/window/new", json!({ "type": "window" })).await["handle"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn switch_to(&self, window: &str) {
        self.post("/window", json!({ "handle": window })).await;
    }

    /// Runs the body of a function in the page.
    pub(crate) async fn run(&self, script: &str) -> Value {
        self.post("/execute/sync", json!({ "script": script, "args": [] })).await
    }

    /// A command of Chromium's own.
    pub(crate) async fn command(&self, name: &str, parameters: Value) {
        self.post("/goog/cdp/execute", json!({ "cmd": name, "params": parameters })).await;
    }

    /// The element that a selector of CSS finds first.
    pub(crate) async fn find(&self, selector: &str) -> Element<'_> {
        let found = self.post("/element", json!({ "using": "css selector", "value": selector })).await;
        Element { browser: self, id: found[ELEMENT].as_str().unwrap().to_owned() }
    }

    /// What a person sees on the page. Nothing while one page goes and the next one comes.
    pub(crate) async fn text(&self) -> String {
        let body = self.try_post("/element", json!({ "using": "css selector", "value": "body" })).await;
        let Some(id) = body.ok().and_then(|body| Some(body[ELEMENT].as_str()?.to_owned())) else { return String::new() };
        let path = format!("/session/{}/element/{id}/text", self.session);
        let text = self.send(Method::GET, &path, &Value::Null).await.unwrap_or_default();
        text.as_str().unwrap_or_default().to_owned()
    }

    /// Waits until the text of the page is as wanted.
    pub(crate) async fn until(&self, what: &str, wanted: impl Fn(&str) -> bool) {
        let seen = async {
            while !wanted(&self.text().await) {
                sleep_ms(20).await;
            }
        };
        if wait_for(seen, LIMIT / 2).await.is_err() {
            panic!("waited for {what}; the page says: {}", self.text().await);
        }
    }

    /// Waits until a script gives `true`.
    pub(crate) async fn until_true(&self, script: &str) {
        let seen = async {
            while self.run(script).await != Value::Bool(true) {
                sleep_ms(20).await;
            }
        };
        wait_for(seen, LIMIT / 2).await.unwrap_or_else(|_| panic!("waited for {script}"));
    }
}

impl Element<'_> {
    async fn act(&self, what: &str, parameters: Value) {
        self.browser.post(&format!("/element/{}/{what}", self.id), parameters).await;
    }

    pub(crate) async fn click(&self) {
        self.act("click", json!({})).await;
    }

    /// Presses keys, behind the text that is there.
    pub(crate) async fn type_in(&self, text: &str) {
        self.act("value", json!({ "text": text })).await;
    }

    /// Empties a field.
    pub(crate) async fn clear(&self) {
        self.act("clear", json!({})).await;
    }
}

impl Drop for Browser {
    /// Ends the browser, then the driver: in this order, for a driver that is killed leaves its browser behind. A failed test comes here
    /// too, without a loop that runs, so this blocks.
    fn drop(&mut self) {
        let end = || -> io::Result<()> {
            let mut connection = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
            connection.set_read_timeout(Some(Duration::from_secs(30)))?;
            write!(connection, "DELETE /session/{} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", self.session)?;
            // It answers when the browser has ended, and leaves the connection open.
            connection.read_exact(&mut [0])
        };
        if !self.session.is_empty() {
            let _ = end();
        }
        let _ = self.driver.kill();
        let _ = self.driver.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}
