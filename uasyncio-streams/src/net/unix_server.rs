//! `start_unix_server`, and the socket files that it makes and removes.

use std::cell::Cell;
use std::fmt;
use std::fs::{self, Permissions};
use std::future::Future;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use super::server::{HandlerOutput, Server, SystemListener};
use super::server_options::ServerOptions;
use super::sys;
use super::unix::{UnixReader, UnixWriter, check, is_abstract};

/// A server that was started by [`start_unix_server`]. Unix only.
pub type UnixServer = Server<UnixListener>;

/// Listens on a Unix socket at `path` and runs `handler` as a task for each connection. asyncio's `start_unix_server`. Unix only.
///
/// Everything else is as for [`start_server`](crate::start_server); [`ServerOptions::start_unix`] has what can be chosen.
///
/// On Linux and Android, a path that begins with a NUL byte is a name in the abstract namespace, which has no files: `"\0name"`, as in asyncio.
///
/// # The socket file
/// As in asyncio (3.13 and later):
///
/// * A socket that is at `path` already is removed first, whether somebody still listens there or it was left behind by a process that ended. With
///   [`reuse_address(false)`](ServerOptions::reuse_address) it is left alone, and starting fails with `AddrInUse`. Any other kind of
///   file is left alone in any case.
/// * The file is removed when the server is closed, if it is still the one that this server has made; unlike in asyncio, also when the loop is
///   dropped with the server in it. A process that ends by a signal or by `exit` leaves it behind.
/// * Its permissions are what the process's *umask* leaves of all of them; see [`unix_permissions`](ServerOptions::unix_permissions).
///   Whoever may write to the file may connect, if he may also go through the directories that it is in.
///
/// ```
/// use uasyncio_streams::{UnixReader, UnixWriter, open_unix_connection, start_unix_server};
///
/// async fn shout(mut reader: UnixReader, mut writer: UnixWriter) -> std::io::Result<()> {
///     let line = reader.readline().await?.to_ascii_uppercase();
///     writer.awrite(&line).await
/// }
///
/// # uasyncio_io::run(async {
/// let path = std::env::temp_dir().join(format!("shout-{}.socket", std::process::id()));
/// let server = start_unix_server(shout, &path).await?;
/// let (mut reader, mut writer) = open_unix_connection(&path).await?;
/// writer.awritestr("hello\n").await?;
/// assert_eq!(reader.readline().await?, b"HELLO\n");
/// server.close();
/// assert!(!path.exists());
/// # Ok::<_, std::io::Error>(())
/// # }).unwrap();
/// ```
///
/// # Errors
/// Why the path cannot be listened on: `AddrInUse` when another kind of file is there, `NotFound` when there is no such directory,
/// `PermissionDenied`, `InvalidInput` when the path is too long (107 bytes on Linux) or empty. `Unsupported` when no loop with a reactor is running.
///
/// # Cancel safety
/// Dropping the future before it completes leaves nothing behind.
pub async fn start_unix_server<H, F>(handler: H, path: impl AsRef<Path>) -> io::Result<UnixServer>
where
    H: Fn(UnixReader, UnixWriter) -> F + 'static,
    F: Future<Output: HandlerOutput> + 'static,
{
    ServerOptions::default().start_unix(handler, path).await
}

impl ServerOptions {
    /// The permissions of the socket file of a Unix server, such as `0o660`; what the *umask* leaves of `0o777` unless set here. Nobody can
    /// connect before they are set. Without effect on names without a file, and on other servers. Unix only.
    pub fn unix_permissions(mut self, mode: u32) -> Self {
        self.unix_permissions = Some(mode);
        self
    }

    /// Starts a server on a Unix socket with these options; see [`start_unix_server`]. Unix only.
    ///
    /// ```
    /// use uasyncio_streams::{ServerOptions, UnixReader, UnixWriter};
    ///
    /// # uasyncio_io::run(async {
    /// # let path = std::env::temp_dir().join(format!("options-{}.socket", std::process::id()));
    /// let quiet = |_: UnixReader, _: UnixWriter| async {};
    /// let server = ServerOptions::default().unix_permissions(0o600).max_connections(10).start_unix(quiet, path).await?;
    /// # server.close();
    /// # Ok::<_, std::io::Error>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    /// As `start_unix_server`.
    ///
    /// # Cancel safety
    /// As `start_unix_server`.
    pub async fn start_unix<H, F>(self, handler: H, path: impl AsRef<Path>) -> io::Result<UnixServer>
    where
        H: Fn(UnixReader, UnixWriter) -> F + 'static,
        F: Future<Output: HandlerOutput> + 'static,
    {
        let path = path.as_ref();
        match listen(path, &self) {
            Ok((listener, file)) => {
                let address = listener.local_addr()?;
                Server::begin(&self, handler, vec![(listener, UnixAddress { address, file })])
            }
            Err(error) => Err(io::Error::new(error.kind(), format!("cannot listen on {path:?}: {error}"))),
        }
    }

    /// Starts a server on a Unix socket that listens already, such as one that was handed down by the process that started this one.
    /// asyncio's `start_unix_server(sock=..)`. Unix only.
    ///
    /// The socket is set to non-blocking mode. Its file, if it has one, is not removed when the server is closed: it belongs to whoever has made it.
    ///
    /// # Errors
    /// When it is no listening socket, or when no loop with a reactor is running.
    pub fn start_on_unix<H, F>(self, handler: H, listener: UnixListener) -> io::Result<UnixServer>
    where
        H: Fn(UnixReader, UnixWriter) -> F + 'static,
        F: Future<Output: HandlerOutput> + 'static,
    {
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        Server::begin(&self, handler, vec![(listener, UnixAddress { address, file: None })])
    }
}

fn listen(path: &Path, options: &ServerOptions) -> io::Result<(UnixListener, Option<SocketFile>)> {
    check(path)?;
    if is_abstract(path) {
        return Ok((sys::listen_unix(path, options.backlog, || Ok(()))?, None));
    }
    if options.reuse_address && fs::symlink_metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket()) {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    let mut file = None;
    let listener = sys::listen_unix(path, options.backlog, || {
        file = Some(SocketFile::at(path)?);
        match options.unix_permissions {
            Some(mode) => fs::set_permissions(path, Permissions::from_mode(mode)),
            None => Ok(()),
        }
    })?;
    Ok((listener, file))
}

/// The file of a socket; removed when it is dropped, if it is still the same.
struct SocketFile {
    path: PathBuf,
    device_and_inode: (u64, u64),
    removed: Cell<bool>,
}

impl SocketFile {
    fn at(path: &Path) -> io::Result<SocketFile> {
        // The process may change its directory meanwhile.
        let path = std::path::absolute(path)?;
        let metadata = fs::symlink_metadata(&path)?;
        Ok(SocketFile { path, device_and_inode: (metadata.dev(), metadata.ino()), removed: Cell::new(false) })
    }

    fn remove(&self) {
        if self.removed.replace(true) {
            return;
        }
        let is_ours = |metadata: fs::Metadata| (metadata.dev(), metadata.ino()) == self.device_and_inode;
        if fs::symlink_metadata(&self.path).is_ok_and(is_ours) {
            // If it cannot be removed, the next server at this path will try.
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        self.remove();
    }
}

/// What a Unix server listens on.
pub struct UnixAddress {
    address: SocketAddr,
    file: Option<SocketFile>,
}

impl fmt::Debug for UnixAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(f)
    }
}

impl SystemListener for UnixListener {
    type Stream = UnixStream;
    type Address = UnixAddress;

    #[inline]
    fn accept(&self) -> io::Result<(UnixStream, ())> {
        Ok((sys::accept_unix(self)?, ()))
    }

    fn try_clone(&self) -> io::Result<Self> {
        UnixListener::try_clone(self)
    }

    fn closing(address: &UnixAddress) {
        if let Some(file) = &address.file {
            file.remove();
        }
    }
}

impl UnixServer {
    /// The address that the server listens on. Unix only.
    pub fn local_addr(&self) -> &SocketAddr {
        &self.address().address
    }
}
