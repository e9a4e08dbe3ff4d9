//! The example `fetch` as a program: what it writes, and how it ends. The servers are on the loop of the test.
#![cfg(unix)]

#[path = "../../../uasyncio-streams/tests/it/certificates/mod.rs"]
mod certificates;
mod common;
mod servers;

use std::fs;
use std::future::Future;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::rc::Rc;

use certificates::Certificates;
use common::{Running, example};
use servers::Speaks;
use tempfile::TempDir;
use uasyncio_io::to_thread;
use uasyncio_streams::{Server, TcpReader, TcpWriter, start_server};

/// A folder with an old file, and the servers' ports.
struct World {
    folder: TempDir,
    file: PathBuf,
    plain: String,
    tls: String,
    cut: String,
    stalls: String,
    _servers: Vec<Server>,
}

impl World {
    async fn new() -> World {
        let made = Certificates::new();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "old").unwrap();
        fs::write(folder.path().join("authority.pem"), &made.authority_pem).unwrap();
        let mut servers = Vec::new();
        let mut urls = Vec::new();
        let config = Rc::new(made.server());
        let cut = "HTTP/1.1 200 OK\r\ncontent-length: 400000\r\n\r\nnew";
        for server in [Speaks::One, Speaks::Tls(config, &["h2"]), Speaks::Bytes(cut), Speaks::Stalls(cut)] {
            let scheme = if matches!(server, Speaks::Tls(..)) { "https" } else { "http" };
            let handler = move |reader: TcpReader, writer: TcpWriter| server.clone().serve(reader, writer);
            servers.push(start_server(handler, "127.0.0.1", 0).await.unwrap());
            urls.push(format!("{scheme}://127.0.0.1:{}", servers[servers.len() - 1].local_addr().port()));
        }
        let [plain, tls, cut, stalls] = urls.try_into().unwrap();
        World { folder, file, plain, tls, cut, stalls, _servers: servers }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = example("fetch").unwrap();
        command.args(arguments).current_dir(self.folder.path()).stdin(Stdio::null());
        command
    }

    /// The program's end, for which the servers go on meanwhile.
    async fn fetch(&self, arguments: &[&str]) -> Output {
        let mut command = self.command(arguments);
        to_thread(move || command.output().unwrap()).await.unwrap()
    }

    /// The file is as it was, and there is nothing beside it.
    #[track_caller]
    fn assert_untouched(&self) {
        assert_eq!(fs::read(&self.file).unwrap(), b"old");
        self.assert_tidy();
    }

    #[track_caller]
    fn assert_tidy(&self) {
        let mut names: Vec<_> = fs::read_dir(self.folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["authority.pem", "file"]);
    }
}

fn in_world<F: Future<Output = ()>>(test: impl FnOnce(World) -> F) {
    if example("fetch").is_some() {
        uasyncio_io::run(async { test(World::new().await).await });
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn what_goes_well_is_written_where_it_should() {
    in_world(|world| async move {
        let plain = world.fetch(&[&world.plain, "-d", "a=b", "-H", "x-a: 1", "-H", "X-A:2"]).await;
        assert_eq!((plain.status.code(), text(&plain.stderr)), (Some(0), String::new()));
        let body = text(&plain.stdout);
        assert!(body.starts_with("POST /\n") && body.ends_with("\n\na=b"), "{body}");
        assert!(
            body.contains("x-a: 1\nx-a: 2\n") && body.contains("content-type: application/x-www-form-urlencoded\n"),
            "{body}"
        );

        let url = format!("{}/chunked", world.tls);
        let tls = world.fetch(&["--cacert", "authority.pem", "-i", &url]).await;
        let answer = text(&tls.stdout);
        assert!(answer.starts_with("HTTP/2.0 200 OK\r\n") && answer.ends_with("\r\n\r\none two three"), "{answer}");

        let url = format!("{}/long", world.plain);
        let head = world.fetch(&["--head", &url]).await;
        let answer = text(&head.stdout);
        assert!(answer.contains("\r\ncontent-length: 1000000\r\n") && answer.ends_with("\r\n\r\n"), "{answer}");
        assert_eq!(head.status.code(), Some(0));

        fs::set_permissions(&world.file, fs::Permissions::from_mode(0o640)).unwrap();
        let long = world.fetch(&["-o", "file", &url]).await;
        assert_eq!((long.status.code(), &long.stdout[..]), (Some(0), &b""[..]));
        assert_eq!(fs::metadata(&world.file).unwrap().len(), 1_000_000);
        assert_eq!(fs::metadata(&world.file).unwrap().permissions().mode() & 0o777, 0o640);
        world.assert_tidy();
        // What is no file is not replaced by one.
        assert_eq!(world.fetch(&["-o", "/dev/null", &url]).await.status.code(), Some(0));
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
        world.assert_tidy();
    });
}

#[test]
fn what_goes_wrong_leaves_the_file_alone_and_has_an_exit_code() {
    in_world(|world| async move {
        let path = |path: &str| format!("{}{path}", world.plain);
        let stall = [&world.stalls, "--stall", "0.05"];
        let table: Vec<(Vec<&str>, i32, &str)> = vec![
            (vec![], 2, "which URL"),
            (vec!["ftp://localhost"], 2, "another program"),
            (vec!["--what", "http://localhost"], 2, "--what"),
            (vec!["--cacert", "nowhere.pem", "http://localhost"], 2, "nowhere.pem"),
            (vec!["--cacert", "file", "http://localhost"], 2, "no certificate"),
            (vec!["http://127.0.0.1:1/"], 3, "refused"),
            (vec![&world.tls], 4, "UnknownIssuer"),
            (stall.to_vec(), 5, "within 50ms"),
            (vec![&world.stalls, "--max-time", "0.05"], 5, "not done within 50ms"),
            (vec![&world.cut], 6, "end of file"),
        ];
        let (missing, loops, long) = (path("/missing"), path("/countdown/3"), path("/long"));
        let table = table.into_iter().chain([
            (vec![&loops[..], "--max-redirects", "2"], 7, "more than 2"),
            (vec![&missing], 8, "404"),
            (vec![&long, "--max-size", "999999"], 9, "longer"),
        ]);
        for (arguments, code, why) in table {
            let failed = world.fetch(&[&["-o", "file"], &arguments[..]].concat()).await;
            let said = text(&failed.stderr);
            assert_eq!(failed.status.code(), Some(code), "{arguments:?}: {said}");
            assert!(said.starts_with("error: ") && said.contains(why), "{arguments:?}: {said}");
            world.assert_untouched();
        }
        let nowhere = world.fetch(&["-o", "no/such/folder/file", &world.plain]).await;
        assert_eq!(nowhere.status.code(), Some(10), "{}", text(&nowhere.stderr));
        // Without a file, the server's words are shown all the same.
        let missing = world.fetch(&[&missing]).await;
        assert_eq!((missing.status.code(), &missing.stdout[..]), (Some(8), &b"there is no such page"[..]));
        let help = world.fetch(&["--help"]).await;
        assert!(help.status.success() && text(&help.stdout).contains("usage: fetch"));
    });
}

#[test]
fn ctrl_c_leaves_no_half_file() {
    in_world(|world| async move {
        let mut command = world.command(&["-o", "file", &world.stalls]);
        let folder = world.folder.path().to_owned();
        let code = to_thread(move || {
            let mut running = Running::start(command.stderr(Stdio::piped())).unwrap();
            // Until the temporary file is there. If it never is, the program ends after half a minute of silence.
            while fs::read_dir(&folder).unwrap().count() < 3 && running.child.try_wait().unwrap().is_none() {
                std::thread::yield_now();
            }
            running.interrupt();
            running.wait()
        });
        assert_eq!(code.await.unwrap(), Some(130));
        world.assert_untouched();
    });
}

#[test]
fn who_does_not_listen_is_told_nothing() {
    in_world(|world| async move {
        let mut command = world.command(&[&format!("{}/long", world.plain)]);
        let ended = to_thread(move || {
            let mut running = Running::start(command.stderr(Stdio::piped())).unwrap();
            let mut first = [0];
            running.lines.read_exact(&mut first).unwrap();
            let stderr = running.child.stderr.take().unwrap();
            // Closes the pipe.
            running.lines =
                std::io::BufReader::new(Command::new("true").stdout(Stdio::piped()).spawn().unwrap().stdout.take().unwrap());
            (running.wait(), std::io::read_to_string(stderr).unwrap())
        });
        let (code, said) = ended.await.unwrap();
        assert_eq!(code, Some(10), "{said}");
        assert!(said.contains("standard output"), "{said}");
    });
}

#[test]
fn a_terminal_shows_how_far_it_is() {
    in_world(|world| async move {
        let (terminal, its_end) = terminal();
        let mut command = world.command(&["-o", "file", &format!("{}/long", world.plain)]);
        command.stderr(its_end);
        let seen = to_thread(move || {
            let mut child = command.spawn().unwrap();
            // With the last descriptor of the other end.
            drop(command);
            let mut seen = Vec::new();
            // A terminal that is closed is an error, on Linux.
            let _ = fs::File::from(terminal).read_to_end(&mut seen);
            (child.wait().unwrap().code(), text(&seen))
        });
        let (code, seen) = seen.await.unwrap();
        assert_eq!(code, Some(0), "{seen:?}");
        // The first line is drawn at once, and the last thing is that it goes.
        assert!(seen.starts_with("\r\u{1b}[K[--------------------]   0 %  0 B of 1.0 MB"), "{seen:?}");
        assert!(seen.ends_with("\r\u{1b}[K"), "{seen:?}");
    });
}

/// A terminal of the test's own: what it shows, and what a program has.
fn terminal() -> (OwnedFd, OwnedFd) {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&terminal).unwrap();
    unlockpt(&terminal).unwrap();
    let name = ptsname(&terminal, Vec::new()).unwrap();
    let its_end = fs::File::options().read(true).write(true).open(name.to_str().unwrap()).unwrap();
    (terminal, its_end.into())
}
