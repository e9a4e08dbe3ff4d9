//! Where the answer goes: the standard output, or a file that is there when it is complete, and not before.

use std::fs::{self, File};
use std::io::{self, Write};
use std::mem;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use hyper::http::response::Parts;
use tempfile::TempPath;
use uasyncio_io::to_thread;

use crate::client::Output;
use crate::failure::{Failure, Kind};
use crate::progress::Progress;

/// So many bytes are collected before a file gets them.
const PORTION: usize = 256 * 1024;

/// Writes an answer.
pub(crate) struct Target {
    /// The file that was asked for; `None`: the standard output.
    path: Option<PathBuf>,
    /// Whether the head of the answer is written too.
    show_head: bool,
    progress: Progress,
    /// Not there before the answer begins, and while a thread has it.
    writer: Option<Box<dyn Write + Send>>,
    /// The name that the file has until it is complete. The file goes when this is dropped, whoever still writes to it.
    temporary: Option<TempPath>,
    buffer: Vec<u8>,
}

impl Target {
    pub(crate) fn new(path: Option<PathBuf>, show_head: bool, progress: Progress) -> Target {
        Target { path, show_head, progress, writer: None, temporary: None, buffer: Vec::new() }
    }

    fn open(&mut self) -> io::Result<Box<dyn Write + Send>> {
        let Some(path) = &mut self.path else { return Ok(Box::new(io::stdout())) };
        // What is renamed replaces a link, and not what the link leads to.
        if let Ok(real) = fs::canonicalize(&path) {
            *path = real;
        }
        let there = fs::metadata(&path).ok();
        if there.as_ref().is_some_and(|there| !there.is_file()) {
            // A device or a pipe must not be replaced.
            return Ok(Box::new(File::options().write(true).open(path)?));
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut builder = tempfile::Builder::new();
        builder.prefix(".fetch-");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            // As for any new file: less what the umask says.
            builder.permissions(fs::Permissions::from_mode(0o666));
        }
        let (file, temporary) = builder.tempfile_in(folder)?.into_parts();
        if let Some(there) = there {
            file.set_permissions(there.permissions())?;
        }
        self.temporary = Some(temporary);
        Ok(Box::new(file))
    }

    /// Writes what is in the buffer, on a thread: a disk is never "not ready", and a pipe may be full.
    async fn flush(&mut self) -> Result<(), Failure> {
        let Some(mut writer) = self.writer.take() else { return Ok(()) };
        let mut buffer = mem::take(&mut self.buffer);
        let written = to_thread(move || {
            let result = writer.write_all(&buffer).and_then(|()| writer.flush());
            buffer.clear();
            (writer, buffer, result)
        });
        let (writer, buffer, result) = written.await.map_err(|error| self.failure(&error))?;
        (self.writer, self.buffer) = (Some(writer), buffer);
        result.map_err(|error| self.failure(&error))
    }

    fn failure(&self, error: &dyn std::fmt::Display) -> Failure {
        let name = self.path.as_ref().map_or("the standard output".into(), |path| path.display().to_string());
        Failure::new(Kind::Output, format!("cannot write {name}: {error}"))
    }
}

impl Output for Target {
    async fn begin(&mut self, head: &Parts, length: Option<u64>) -> Result<(), Failure> {
        // An error page is something to read, and nothing to keep.
        if self.path.is_some() && (head.status.is_client_error() || head.status.is_server_error()) {
            return Err(Failure::new(Kind::Status, format!("the server says {}", head.status)));
        }
        let writer = self.open().map_err(|error| self.failure(&error))?;
        self.writer = Some(writer);
        if self.show_head {
            self.buffer.extend(format!("{:?} {}\r\n", head.version, head.status).bytes());
            for (name, value) in &head.headers {
                self.buffer.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
            }
            self.buffer.extend(b"\r\n");
            self.flush().await?;
        }
        self.progress.begin(length);
        Ok(())
    }

    async fn write(&mut self, piece: Bytes) -> Result<(), Failure> {
        self.progress.add(piece.len());
        self.buffer.extend(piece);
        // Who reads the standard output may be waiting for it.
        if self.path.is_none() || self.buffer.len() >= PORTION { self.flush().await } else { Ok(()) }
    }

    async fn finish(&mut self) -> Result<(), Failure> {
        self.flush().await?;
        if let (Some(temporary), Some(path)) = (self.temporary.take(), &self.path) {
            temporary.persist(path).map_err(|error| self.failure(&error.error))?;
        }
        Ok(())
    }
}
