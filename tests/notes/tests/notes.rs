//! The notes, end to end but for the browser: over TCP, with HTTP written by hand, on one loop with the server.

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use support::{Database, Server, answer, event, run};
use uasyncio_streams::open_connection;
use uasyncio_sync::gather;

const EVENTS: &str = "GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n";

#[test]
fn a_person_adds_edits_archives_restores_and_deletes() {
    let database = Database::new("person");
    run(async {
        let server = Server::start(&database.0).await;
        assert!(server.get("/").await.contains("No notes yet"));
        let (status, text) = server.form("/notes", "title=Buy+bread&text=one%0D%0A%3Cb%3Etwo").await;
        assert_eq!(status, 303);
        assert!(text.contains("location: /\r\n"), "{text}");
        let page = server.get("/").await;
        assert!(page.contains("Buy bread") && page.contains("one\n&#60;b&#62;two"), "{page}");

        let edit = server.get("/notes/1").await;
        assert!(edit.contains("name=\"revision\" value=\"1\""), "{edit}");
        assert_eq!(server.form("/notes/1", "title=Buy+milk&text=three&revision=1").await.0, 303);
        let page = server.get("/").await;
        assert!(page.contains("Buy milk") && page.contains("three") && !page.contains("bread"), "{page}");

        // Somebody who began before that loses nothing, and neither does the other.
        let browser = "Accept: text/html\r\nContent-Type: application/x-www-form-urlencoded\r\n";
        let (status, conflict) = server.ask("POST /notes/1", browser, "title=Buy+tea&text=four&revision=1").await;
        assert_eq!(status, 409);
        for part in ["changed elsewhere", "Buy tea", "four", "Buy milk", "three", "name=\"revision\" value=\"2\""] {
            assert!(conflict.contains(part), "{part:?} in {conflict}");
        }
        assert!(server.get("/").await.contains("Buy milk"));

        let (status, text) = server.form("/notes/1", "archived=true").await;
        assert_eq!(status, 303);
        assert!(text.contains("location: /\r\n"), "{text}");
        assert!(!server.get("/").await.contains("Buy milk"));
        assert!(server.get("/archive").await.contains("Buy milk"));
        let (_, text) = server.form("/notes/1", "archived=false").await;
        assert!(text.contains("location: /archive\r\n"), "{text}");
        assert!(server.get("/").await.contains("Buy milk"));
        assert_eq!(server.form("/notes/1/delete", "").await.0, 303);
        assert_eq!(server.ask("GET /notes/1", "", "").await.0, 404);
        server.stop().await;
    });
}

#[test]
fn a_program_does_the_same_with_json() {
    let database = Database::new("program");
    run(async {
        let server = Server::start(&database.0).await;
        let (status, text) = server.json("POST /api/notes", r#"{"title":"a","text":"b"}"#).await;
        assert_eq!(status, 201);
        assert!(
            text.contains("location: /api/notes/1\r\n")
                && text.contains(r#"{"id":1,"title":"a","text":"b","archived":false,"revision":1,"#)
        );
        let (status, text) = server.json("PATCH /api/notes/1", r#"{"archived":true,"revision":1}"#).await;
        assert_eq!(status, 200);
        assert!(text.contains(r#""title":"a","text":"b","archived":true,"revision":2"#), "{text}");
        assert_eq!(server.json("PATCH /api/notes/1", r#"{"title":"c","revision":1}"#).await.0, 409);
        assert!(server.get("/api/notes").await.ends_with(r#"{"notes":[],"more":false}"#));
        assert!(server.get("/api/notes?archived=true").await.contains(r#""notes":[{"#));
        assert!(server.get("/api/notes/1").await.contains(r#"{"id":1,"#));
        assert_eq!(server.json("DELETE /api/notes/1", "").await.0, 204);
        assert_eq!(server.json("DELETE /api/notes/1", "").await.0, 404);
        server.stop().await;
    });
}

#[test]
fn what_is_wrong_is_refused() {
    let database = Database::new("wrong");
    run(async {
        let server = Server::start(&database.0).await;
        let json = "Content-Type: application/json\r\n";
        let long_title = format!(r#"{{"title":"{}"}}"#, "ä".repeat(201));
        let long_text = format!(r#"{{"text":"{}"}}"#, "x".repeat(20_001));
        let long_body = "x".repeat(256 * 1024 + 1);
        for (line, headers, body, status) in [
            ("GET /nothing", "", "", 404),
            ("GET /notes/x", "", "", 404),
            ("GET /notes/99999999999999999999", "", "", 404),
            ("PATCH /api/notes/7", json, "{}", 404),
            ("DELETE /", "", "", 405),
            ("POST /events", "", "", 405),
            ("POST /api/notes", "", "{}", 415),
            ("POST /api/notes", "Content-Type: text/plain\r\n", "{}", 415),
            ("POST /api/notes", json, "{", 422),
            ("POST /api/notes", json, "{}", 422),
            ("POST /api/notes", json, r#"{"title":" "}"#, 422),
            ("POST /api/notes", json, r#"{"titel":"a"}"#, 422),
            ("POST /api/notes", json, &long_title, 422),
            ("POST /api/notes", json, &long_text, 422),
            ("POST /api/notes", json, &long_body, 413),
            ("POST /api/notes", "Content-Type: application/json\r\nSec-Fetch-Site: cross-site\r\n", r#"{"title":"a"}"#, 403),
        ] {
            let (found, text) = server.ask(line, headers, body).await;
            assert_eq!(found, status, "{line}: {text}");
        }
        let (_, text) = server.ask("DELETE /api/notes", "", "").await;
        assert!(text.contains("allow: GET, HEAD, POST\r\n") && text.contains(r#"{"error":"#), "{text}");
        assert!(server.get("/api/notes").await.ends_with(r#"{"notes":[],"more":false}"#));
        server.stop().await;
    });
}

#[test]
fn a_person_is_told_what_is_wrong_on_a_page_and_keeps_what_was_typed() {
    let database = Database::new("faults");
    run(async {
        let server = Server::start(&database.0).await;
        let browser = "Accept: text/html,*/*;q=0.8\r\nContent-Type: application/x-www-form-urlencoded\r\n";
        let long = "x".repeat(201);
        let (status, page) = server.ask("POST /notes", browser, &format!("title={long}&text=my+words")).await;
        assert_eq!(status, 422);
        for part in ["content-type: text/html", "201 characters", &long, "my words", "action=\"/notes\""] {
            assert!(page.contains(part), "{part:?} in {page}");
        }
        server.form("/notes", "title=a&text=b").await;
        let (status, page) = server.ask("POST /notes/1", browser, "title=&text=+&revision=1").await;
        assert_eq!(status, 422);
        for part in ["needs a title or a text", "action=\"/notes/1\"", "name=\"revision\" value=\"1\""] {
            assert!(page.contains(part), "{part:?} in {page}");
        }
        let (status, page) = server.ask("GET /<script>", browser, "").await;
        assert_eq!(status, 400, "{page}");
        let (status, page) = server.ask("GET /notes/2", browser, "").await;
        assert_eq!(status, 404);
        assert!(page.contains("<h1>Not Found</h1>") && page.contains("href=\"/\""), "{page}");
        let (status, page) = server.ask("GET /?color=%3Cscript%3E", browser, "").await;
        assert_eq!(status, 400);
        assert!(page.contains("makes no sense") && !page.contains("<script>"), "{page}");
        server.stop().await;
    });
}

#[test]
fn what_people_write_is_text_and_nothing_else() {
    let database = Database::new("escapes");
    run(async {
        let server = Server::start(&database.0).await;
        let (mut events, _writer) = server.send(EVENTS).await;
        let evil = r#"</textarea><script>alert('1')</script>\" onfocus=\"x\r\n\r\ndata: y"#;
        let note = format!(r#"{{"title":"{evil}","text":"{evil}"}}"#);
        assert_eq!(server.json("POST /api/notes", &note).await.0, 201);
        // In an event it is one line of JSON.
        let event = event(&mut events, "alert").await;
        assert!(event.ends_with("}\n") && event.contains("&#60;script&#62;"), "{event}");
        for path in ["/", "/notes/1", "/notes/1/delete", "/?q=%3Cscript%3Ealert", "/?q=%22onfocus"] {
            let page = server.get(path).await;
            assert!(!page.contains("<script>alert") && !page.contains("\" onfocus"), "{path}: {page}");
            assert!(page.contains("content-security-policy: default-src 'self';"), "{path}: {page}");
        }
        server.stop().await;
    });
}

#[test]
fn other_sites_and_other_names_are_refused() {
    let database = Database::new("sites");
    run(async {
        let server = Server::start(&database.0).await;
        let form = "Content-Type: application/x-www-form-urlencoded\r\n";
        for (header, status) in [
            ("Sec-Fetch-Site: cross-site", 403),
            ("Origin: http://evil.example", 403),
            ("Origin: null", 403),
            ("Origin: http://localhost", 303),
            ("Sec-Fetch-Site: same-origin", 303),
        ] {
            let (found, text) = server.ask("POST /notes", &format!("{form}{header}\r\n"), "title=a").await;
            assert_eq!(found, status, "{header}: {text}");
        }
        let (mut reader, _writer) =
            server.send("GET /api/notes HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n").await;
        assert_eq!(answer(&mut reader).await.0, 421);
        server.stop().await;
    });
}

#[test]
fn the_longest_note_fits_in_every_script_and_form() {
    let database = Database::new("longest");
    run(async {
        let server = Server::start(&database.0).await;
        // Twelve bytes a character on their way, in a form and in JSON.
        let form = format!("title={}&text={}", "%F0%9F%98%80".repeat(200), "%F0%9F%98%80".repeat(20_000));
        assert_eq!(server.form("/notes", &form).await.0, 303);
        let json = format!(r#"{{"title":"{}","text":"{}"}}"#, "\\ud83d\\ude00".repeat(200), "\\ud83d\\ude00".repeat(20_000));
        assert_eq!(server.json("POST /api/notes", &json).await.0, 201);
        let one_more = format!("text={}", "a".repeat(20_001));
        assert_eq!(server.form("/notes", &one_more).await.0, 422);
        server.stop().await;
    });
}

#[test]
fn notes_are_found_by_words_and_shown_a_hundred_at_a_time() {
    let database = Database::new("search");
    run(async {
        let server = Server::start(&database.0).await;
        for number in 1..=101 {
            server.form("/notes", &format!("title=number+{number}+of+them")).await;
        }
        server.form("/notes", "title=%C3%84pfel&text=100%25+Birnen+_und_+Quitten").await;
        let newest = server.get("/").await;
        assert!(newest.contains("number 101 of") && newest.contains("number 3 of") && !newest.contains("number 2 of"));
        assert!(newest.contains("skip=100\">Older"), "{newest}");
        let oldest = server.get("/?skip=100").await;
        assert!(oldest.contains("number 1 of") && oldest.contains("number 2 of") && !oldest.contains("number 3 of"));
        assert!(oldest.contains("skip=0\">") && !oldest.contains("Older"), "{oldest}");
        let everything = server.get("/api/notes").await;
        assert!(
            everything.contains(r#"{"notes":[{"id":102,"#)
                && everything.ends_with(r#"],"more":true}"#)
                && !everything.contains("number 2 of")
        );
        for (query, count) in
            [("number+7", 19), ("NUMBER+77", 1), ("%C3%A4PFEL", 1), ("quitten+birnen", 1), ("%25", 1), ("_u", 1), ("nothing", 0)]
        {
            let found = server.get(&format!("/api/notes?q={query}")).await;
            assert_eq!(found.matches(r#""id":"#).count(), count, "{query}: {found}");
        }
        let none = server.get("/?q=%3Cnothing%3E").await;
        assert!(none.contains("Nothing with “&#60;nothing&#62;”") && !none.contains("No notes yet"), "{none}");
        assert!(server.get("/?q=of+them&skip=1").await.contains("?q=of%20them&skip=0\">"));
        server.stop().await;
    });
}

#[test]
fn a_file_that_the_browser_has_is_not_sent_again() {
    let database = Database::new("files");
    run(async {
        let server = Server::start(&database.0).await;
        for path in ["/static/style.css", "/static/live.js", "/static/icon.svg"] {
            let file = server.get(path).await;
            let tag = file.lines().find_map(|line| line.strip_prefix("etag: ")).unwrap();
            let (status, text) = server.ask(&format!("GET {path}"), &format!("If-None-Match: {tag}\r\n"), "").await;
            assert_eq!(status, 304);
            assert!(text.ends_with("\r\n\r\n"), "{text}");
            assert_eq!(server.ask(&format!("GET {path}"), "If-None-Match: \"old\"\r\n", "").await.0, 200);
        }
        server.stop().await;
    });
}

/// Two servers with one database, as two programs would have it, and clients of both that change the same note.
#[test]
fn two_writers_lose_nothing_of_each_other() {
    const CHANGES: usize = 20;
    let database = Database::new("writers");
    run(async {
        let servers = [Server::start(&database.0).await, Server::start(&database.0).await];
        assert_eq!(servers[0].json("POST /api/notes", r#"{"text":"."}"#).await.0, 201);
        let writer = async |server: &Server, letter: char| {
            let mut done = 0;
            while done < CHANGES {
                let (_, answer) = server.ask("GET /api/notes/1", "", "").await;
                let note: serde_json::Value = serde_json::from_str(answer.lines().last().unwrap()).unwrap();
                let text = format!("{}{letter}", note["text"].as_str().unwrap());
                let change = serde_json::json!({ "text": text, "revision": note["revision"] }).to_string();
                match server.json("PATCH /api/notes/1", &change).await {
                    (200, _) => done += 1,
                    (409, _) => {} // Somebody else was faster; once more, with what is there now.
                    (status, text) => panic!("{status}: {text}"),
                }
            }
        };
        let [first, second] = &servers;
        gather([writer(first, 'a'), writer(first, 'b'), writer(second, 'c'), writer(second, 'd')]).await;
        let (_, note) = servers[1].ask("GET /api/notes/1", "", "").await;
        for letter in ["a", "b", "c", "d"] {
            let text = note.split("\"text\":\".").nth(1).unwrap().split('"').next().unwrap();
            assert_eq!(text.matches(letter).count(), CHANGES, "{note}");
        }
        assert!(note.contains("\"revision\":81"), "{note}");
        for server in servers {
            server.stop().await;
        }
    });
}

#[test]
fn every_open_page_hears_of_every_change_in_order() {
    let database = Database::new("live");
    run(async {
        let server = Server::start(&database.0).await;
        let (mut first, _first) = server.send(EVENTS).await;
        let (mut second, _second) = server.send(EVENTS).await;
        for reader in [&mut first, &mut second] {
            while reader.readline().await.unwrap() != b"retry: 1000\n" {}
        }
        let many: Vec<_> = (0..20)
            .map(|number| {
                let form = format!("title=number+{number}+");
                let server = &server;
                async move { server.form("/notes", &form).await.0 }
            })
            .collect();
        assert_eq!(gather(many).await, [303; 20]);
        server.form("/notes/3", "archived=true").await;
        server.form("/notes/4/delete", "").await;
        for reader in [&mut first, &mut second] {
            for id in 1..=20 {
                let data = event(reader, "").await;
                assert!(data.starts_with(&format!("data: {{\"id\":{id},")), "{id}: {data}");
                assert!(data.contains("\"html\":\"<article"), "{data}");
            }
            assert!(event(reader, "").await.contains(r#""archived":true"#));
            assert_eq!(event(reader, "").await, "data: {\"id\":4}\n");
        }
        // An end of the server is the end of the streams, and no broken connection.
        server.stop().await;
        let rest = first.read_to_end(1_000).await.unwrap();
        assert!(rest.ends_with(b"0\r\n\r\n"), "{}", String::from_utf8_lossy(rest));
    });
}

#[test]
fn a_shutdown_loses_nothing() {
    let database = Database::new("shutdown");
    run(async {
        let server = Server::start(&database.0).await;
        // One client is idle, one in the midst of a request, one has its request under way and does not wait for the answer.
        let (mut idle, _idle) = server.send("").await;
        let head = "POST /notes HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 10\r\n\r\n";
        let (mut reader, mut writer) = server.send(&format!("{head}title")).await;
        let gone = server.send(&format!("{head}title=gone")).await;
        let (mut events, _events) = server.send(EVENTS).await;
        while events.readline().await.unwrap() != b"retry: 1000\n" {}
        drop(gone);
        server.stop.set();
        // By now nobody is let in, and the idle one is sent away.
        assert!(idle.read_to_end(10).await.unwrap().is_empty());
        assert!(open_connection("127.0.0.1", server.port).await.is_err());
        writer.awritestr("=late").await.unwrap();
        let (status, text) = answer(&mut reader).await;
        assert_eq!(status, 303, "{text}");
        server.stop().await;
        assert!(!Path::new(&format!("{}-wal", database.0.display())).exists(), "the database was closed");

        let again = Server::start(&database.0).await;
        let page = again.get("/").await;
        assert!(page.contains("late") && page.contains("gone"), "{page}");
        again.stop().await;
    });
}

#[test]
fn a_file_that_is_no_database_or_another_one_is_not_touched() {
    let file = Database::new("other");
    fs::write(&file.0, "no database".repeat(100)).unwrap();
    let serve = |path: PathBuf| async move { uasyncio_notes::serve("127.0.0.1", 0, &path, |_| (), async {}).await };
    let error = uasyncio_io::run(serve(file.0.clone())).unwrap_err();
    assert!(error.to_string().contains("not a database"), "{error}");
    assert_eq!(fs::read(&file.0).unwrap(), "no database".repeat(100).as_bytes());
    for (sql, said) in [("PRAGMA user_version = 7", "version 7"), ("CREATE TABLE theirs (x)", "version 0")] {
        file.remove();
        let connection = rusqlite::Connection::open(&file.0).unwrap();
        connection.execute_batch(sql).unwrap();
        drop(connection);
        let before = fs::read(&file.0).unwrap();
        let error = uasyncio_io::run(serve(file.0.clone())).unwrap_err();
        assert!(error.to_string().contains(said), "{error}");
        assert!(fs::read(&file.0).unwrap() == before, "{sql}: the file was changed");
    }
}
