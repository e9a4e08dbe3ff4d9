//! Who the peer of a Unix socket is.

use std::io;
use std::os::unix::net::UnixStream;

use super::unix::UnixTransport;

/// Who the peer of a Unix socket was when it connected, or when it listened; see [`UnixTransport::peer_credentials`]. Unix only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct PeerCredentials {
    /// The number of its process, where the system tells (Linux, Android). `None` also for a process that has no number here, as in another container. The process
    /// may have ended since, and its number may be that of another.
    pub pid: Option<u32>,
    /// The number of its effective user.
    pub uid: u32,
    /// The number of its effective group.
    pub gid: u32,
}

impl UnixTransport {
    /// Who the peer is, as the system vouches for it: the user who made the connection, or who listens (`SO_PEERCRED`, `getpeereid`). asyncio's
    /// `get_extra_info("socket").getsockopt(..)`. Unix only, with the feature `credentials`.
    ///
    /// ```
    /// use std::os::unix::{fs::MetadataExt, net::UnixStream};
    /// use uasyncio_streams::UnixTransport;
    ///
    /// # uasyncio_io::run(async {
    /// # let (near, _far) = UnixStream::pair()?;
    /// let transport = UnixTransport::from_std(near)?;
    /// let peer = transport.peer_credentials()?;
    /// println!("user {}, group {}, process {:?}", peer.uid, peer.gid, peer.pid);
    /// # #[cfg(target_os = "linux")]
    /// # assert_eq!((peer.pid, peer.uid), (Some(std::process::id()), std::fs::metadata("/proc/self")?.uid()));
    /// # Ok::<_, std::io::Error>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    /// `NotConnected` when the connection was closed here; `Unsupported` on systems that do not tell, such as Solaris.
    #[cfg_attr(docsrs, doc(cfg(all(unix, feature = "credentials"))))]
    #[doc(alias = "get_extra_info")]
    #[doc(alias = "SO_PEERCRED")]
    pub fn peer_credentials(&self) -> io::Result<PeerCredentials> {
        self.with_stream(credentials_of)
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn credentials_of(socket: &UnixStream) -> io::Result<PeerCredentials> {
    let peer = nix::sys::socket::getsockopt(socket, nix::sys::socket::sockopt::PeerCredentials)?;
    let pid = u32::try_from(peer.pid()).ok().filter(|&pid| pid != 0);
    Ok(PeerCredentials { pid, uid: peer.uid(), gid: peer.gid() })
}

#[cfg(any(target_os = "freebsd", target_os = "netbsd", target_os = "openbsd", target_os = "dragonfly", target_vendor = "apple"))]
fn credentials_of(socket: &UnixStream) -> io::Result<PeerCredentials> {
    let (uid, gid) = nix::unistd::getpeereid(socket)?;
    Ok(PeerCredentials { pid: None, uid: uid.as_raw(), gid: gid.as_raw() })
}

#[cfg(not(any(
    target_os = "linux",
    target_os = "android",
    target_os = "freebsd",
    target_os = "netbsd",
    target_os = "openbsd",
    target_os = "dragonfly",
    target_vendor = "apple"
)))]
fn credentials_of(_: &UnixStream) -> io::Result<PeerCredentials> {
    Err(io::ErrorKind::Unsupported.into())
}
