//! The notes in a headless Chromium: what a person does, what a second window shows of it, and how it looks on a phone.

mod support;
mod webdriver;

use std::future::Future;
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};
use support::{Database, Server, run};
use webdriver::Browser;

/// Control and Enter, as WebDriver writes them.
const CONTROL_ENTER: &str = "\u{E009}\u{E007}";

/// Whether the page hears of changes by now.
const IS_LIVE: &str = "return document.getElementById('notes')?.dataset.live === 'true'";

/// Runs a test with a server and a browser, if there is one. One at a time: a browser takes all of a small machine.
fn with_browser<F: Future<Output = ()>>(name: &str, scripts: bool, test: impl FnOnce(Database, Server, Browser) -> F) {
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    run(async {
        let Some(browser) = Browser::start(name, scripts).await else { return };
        let database = Database::new(name);
        let server = Server::start(&database.0).await;
        test(database, server, browser).await;
    });
}

fn address(server: &Server, path: &str) -> String {
    format!("http://127.0.0.1:{}{path}", server.port)
}

/// Of the note that was added as the first, second, ...
fn note(number: u32, inside: &str) -> String {
    format!("#note-{number} {inside}")
}

#[test]
fn what_is_done_in_one_window_is_seen_in_the_other() {
    with_browser("live", true, |_database, server, browser| async move {
        let first = browser.window().await;
        browser.go(&address(&server, "/")).await;
        browser.until("an empty list", |text| text.contains("No notes yet")).await;
        browser.until_true(IS_LIVE).await;
        let second = browser.new_window().await;
        browser.switch_to(&second).await;
        browser.go(&address(&server, "/")).await;
        browser.until_true(IS_LIVE).await;
        // A page that is loaded again does not know this any more.
        browser.run("window.first = true").await;

        // Added with the keyboard alone.
        browser.switch_to(&first).await;
        browser.find("#title").await.type_in("Shopping").await;
        let keys = format!("bread <b>& butter</b>{CONTROL_ENTER}");
        browser.find("#text").await.type_in(&keys).await;
        let added =
            |text: &str| text.contains("Shopping") && text.contains("bread <b>& butter</b>") && !text.contains("No notes");
        browser.until("the new note", added).await;
        browser.until_true("return document.getElementById('title').value === ''").await;
        browser.switch_to(&second).await;
        browser.until("the new note in the other window", added).await;

        // Edited.
        browser.switch_to(&first).await;
        browser.find(&note(1, "a.button")).await.click().await;
        browser.until("the form", |text| text.contains("Edit note")).await;
        let title = browser.find("#title").await;
        title.clear().await;
        title.type_in("Groceries").await;
        browser.find("button.primary").await.click().await;
        browser.until("the changed note", |text| text.contains("Groceries") && text.contains("Add note")).await;
        browser.until_true(IS_LIVE).await;
        browser.switch_to(&second).await;
        browser.until("the change in the other window", |text| text.contains("Groceries") && !text.contains("Shopping")).await;

        // Archived, from the other window this time.
        browser.find(&note(1, "form button")).await.click().await;
        browser.until("an empty list", |text| text.contains("No notes yet")).await;
        browser.switch_to(&first).await;
        browser.until("an empty list in the other window", |text| text.contains("No notes yet")).await;
        browser.go(&address(&server, "/archive")).await;
        browser.until("the archived note", |text| text.contains("Groceries")).await;
        browser.until_true(IS_LIVE).await;

        // Restored and deleted.
        browser.find(&note(1, "form button")).await.click().await;
        browser.until("an empty archive", |text| text.contains("Nothing is archived")).await;
        browser.switch_to(&second).await;
        browser.until("the restored note", |text| text.contains("Groceries")).await;
        assert_eq!(browser.run("return window.first === true").await, Value::Bool(true), "the page was loaded again");
        browser.find(&note(1, "a.danger")).await.click().await;
        browser.until("the question", |text| text.contains("Delete this note?")).await;
        browser.find("button.danger").await.click().await;
        browser.until("an empty list", |text| text.contains("No notes yet")).await;
        drop(browser);
        server.stop().await;
    });
}

#[test]
fn everything_but_live_works_without_javascript() {
    with_browser("plain", false, |_database, server, browser| async move {
        browser.go(&address(&server, "/")).await;
        assert_eq!(browser.run("return document.getElementById('notes').dataset.live ?? 'none'").await, "none");
        browser.find("#title").await.type_in("Plain").await;
        browser.find("#text").await.type_in("without scripts").await;
        browser.find("button.primary").await.click().await;
        browser.until("the note", |text| text.contains("without scripts") && text.contains("UTC")).await;

        // A conflict: both versions are there, and nothing is lost.
        browser.find(&note(1, "a.button")).await.click().await;
        browser.until("the form", |text| text.contains("Edit note")).await;
        server.form("/notes/1", "title=Theirs&text=came+first").await;
        let text = browser.find("#text").await;
        text.clear().await;
        text.type_in("without scripts, mine").await;
        browser.find("button.primary").await.click().await;
        browser.until("the conflict", |text| text.contains("changed elsewhere") && text.contains("came first")).await;
        let mine = "return document.getElementById('text').value";
        assert_eq!(browser.run(mine).await, "without scripts, mine");
        browser.find("button.primary").await.click().await;
        browser.until("what is saved then", |text| text.contains("without scripts, mine") && !text.contains("came first")).await;

        browser.find("#q").await.type_in("SCRIPTS\n").await;
        browser.until("what is found", |text| text.contains("Notes with") && text.contains("mine")).await;
        browser.find(&note(1, "form button")).await.click().await;
        browser.until("an empty list", |text| text.contains("No notes yet")).await;
        browser.find("nav a[href='/archive']").await.click().await;
        browser.until("the archive", |text| text.contains("mine") && text.contains("Restore")).await;
        browser.find(&note(1, "a.danger")).await.click().await;
        browser.until("the question", |text| text.contains("Delete this note?")).await;
        browser.find("button.danger").await.click().await;
        browser.until("an empty archive", |text| text.contains("Nothing is archived")).await;
        assert_eq!(browser.address().await, address(&server, "/archive"));
        drop(browser);
        server.stop().await;
    });
}

/// The faults of a page: what is wider than the window, too small for a finger, hard to read, or a field without a name.
const FAULTS: &str = "
    const faults = [];
    if (document.documentElement.scrollWidth > innerWidth) faults.push(`${document.documentElement.scrollWidth} px wide`);
    const channels = (color) => color.match(/[\\d.]+/g).map(Number);
    const light = (color) => {
        const [r, g, b] = channels(color).map((c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const paper = (element) => {
        const color = getComputedStyle(element).backgroundColor;
        return (channels(color)[3] ?? 1) > 0 || !element.parentElement ? color : paper(element.parentElement);
    };
    for (const element of document.body.querySelectorAll('*')) {
        const box = element.getBoundingClientRect();
        if (element.closest('.unseen') || box.width === 0) continue;
        const what = `${element.tagName} ${element.textContent.trim().slice(0, 20)}`;
        const link = element.matches('a, button, input, textarea');
        if (link && !element.closest('p.found') && (box.height < 44 || box.width < 44)) faults.push(`${what}: ${box.width} x ${box.height}`);
        if (element.matches('input, textarea') && !element.labels.length) faults.push(`${what}: no label`);
        if ([...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim())) {
            const [one, other] = [light(getComputedStyle(element).color), light(paper(element))];
            const contrast = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
            if (contrast < 4.5) faults.push(`${what}: contrast ${contrast.toFixed(2)}`);
        }
    }
    return faults;";

#[test]
fn it_fits_a_phone_and_a_screen_and_can_be_read_by_day_and_night() {
    with_browser("phone", true, |_database, server, browser| async move {
        let word = "W".repeat(200);
        for (title, text) in [("short", "short"), (&word[..], &word[..]), ("", "only text"), ("many lines", &"line\n".repeat(60))]
        {
            let note = json!({ "title": title, "text": text }).to_string();
            assert_eq!(server.json("POST /api/notes", &note).await.0, 201);
        }
        for title in 0..120 {
            server.form("/notes", &format!("title=number+{title}")).await;
        }
        assert_eq!(server.form("/notes/2", "archived=true").await.0, 303);
        for (width, height, phone) in [(390, 844, true), (1280, 800, false)] {
            let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": phone });
            browser.command("Emulation.setDeviceMetricsOverride", size).await;
            for theme in ["light", "dark"] {
                let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": theme }] });
                browser.command("Emulation.setEmulatedMedia", features).await;
                for path in ["/", "/?skip=100", "/?q=W", "/archive", "/notes/2", "/notes/2/delete", "/nothing"] {
                    browser.go(&address(&server, path)).await;
                    let faults = browser.run(FAULTS).await;
                    assert_eq!(faults, json!([]), "{path} with {width} px, {theme}");
                }
            }
        }
        drop(browser);
        server.stop().await;
    });
}

#[test]
fn an_end_with_a_page_open_loses_nothing_and_the_page_comes_back() {
    with_browser("end", true, |database, server, browser| async move {
        browser.go(&address(&server, "/")).await;
        browser.until_true(IS_LIVE).await;
        browser.run("window.first = true").await;
        browser.find("#title").await.type_in("the last one").await;
        browser.find("button.primary").await.click().await;
        browser.until("the note", |text| text.contains("the last one")).await;

        // The page's stream of events is open, and does not hold up the end.
        let port = server.port;
        server.stop().await;
        browser.until("that the server is gone", |text| text.contains("Not connected") && text.contains("the last one")).await;
        browser.find("#title").await.type_in("into the void").await;
        browser.find("button.primary").await.click().await;
        browser.until("that it was not sent", |text| text.contains("cannot be reached")).await;

        // What happens while the page does not listen it shows when it is back.
        let server = Server::start_at(port, &database.0).await;
        server.form("/notes", "title=meanwhile").await;
        browser.until("all notes", |text| text.contains("the last one") && text.contains("meanwhile")).await;
        browser.until("no complaint", |text| !text.contains("Not connected")).await;
        browser.find("button.primary").await.click().await;
        browser.until("what was typed, which was still there", |text| text.contains("into the void")).await;
        assert_eq!(browser.run("return window.first === true").await, Value::Bool(true), "the page was loaded again");
        drop(browser);
        server.stop().await;
    });
}
