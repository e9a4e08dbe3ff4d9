//! What `open_connection` gives: a future, to be awaited as it is, or to be made one of a TLS session first.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

pin_project! {
    /// The future of [`open_connection`](crate::open_connection), [`ConnectOptions::open`](crate::ConnectOptions::open) and
    /// `open_unix_connection`: a connection that is being opened.
    ///
    /// It is awaited as it is; or, with the feature `tls`, its method `tls` makes it the future of a TLS session over that
    /// connection. Nothing is done before the first poll.
    #[derive(Debug)]
    #[must_use = "a future does nothing until it is awaited"]
    pub struct Connecting<F> {
        #[pin]
        opening: F,
    }
}

impl<F> Connecting<F> {
    pub(crate) fn new(opening: F) -> Self {
        Connecting { opening }
    }
}

impl<F: Future> Future for Connecting<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.project().opening.poll(cx)
    }
}

#[cfg(feature = "tls")]
mod secure {
    use std::future::Future;
    use std::io;

    use super::Connecting;
    use crate::tls::{TlsConnector, TlsReader, TlsWriter, to_server_name};
    use crate::{StreamReader, StreamWriter, Transport};

    #[cfg_attr(docsrs, doc(cfg(feature = "tls")))]
    impl<F, T> Connecting<F>
    where
        F: Future<Output = io::Result<(StreamReader<T>, StreamWriter<T>)>>,
        T: Transport,
    {
        /// Makes a TLS session of the connection, with a peer that has a certificate for `server_name`, a DNS name or an IP address,
        /// from an authority that the system trusts. asyncio's `open_connection(host, port, ssl=True, server_hostname=..)`.
        ///
        /// It is [`tls_with`](Self::tls_with) and [`TlsConnector::with_system_roots`]; where that has to read files, it does so on
        /// another thread.
        ///
        /// ```no_run
        /// use uasyncio_streams::open_connection;
        ///
        /// # uasyncio_io::run(async {
        /// let (mut reader, mut writer) = open_connection("www.rust-lang.org", 443).tls("www.rust-lang.org").await?;
        /// writer.awritestr("GET / HTTP/1.0\r\nHost: www.rust-lang.org\r\n\r\n").await?;
        /// println!("{}", String::from_utf8_lossy(reader.readline().await?));
        /// # Ok::<_, std::io::Error>(())
        /// # }).unwrap();
        /// ```
        ///
        /// # Errors
        /// As for [`tls_with`](Self::tls_with) and [`TlsConnector::with_system_roots`].
        ///
        /// # Cancel safety
        /// When the future is dropped, the connection is closed.
        pub async fn tls(self, server_name: &str) -> io::Result<(TlsReader<T>, TlsWriter<T>)> {
            let connector = match TlsConnector::known_system_roots() {
                Some(connector) => connector,
                None => uasyncio_io::to_thread(TlsConnector::with_system_roots).await??,
            };
            self.tls_with(&connector, server_name).await
        }

        /// Makes a TLS session of the connection, as [`tls`](Self::tls) does, with a configuration of your own: whom to trust, which
        /// certificate to show, ALPN, the deadline of the handshake. asyncio's `open_connection(host, port, ssl=context)`.
        ///
        /// The page of the module [`tls`](crate::tls) has an example.
        ///
        /// # Errors
        /// `InvalidInput` when `server_name` is no name of a server; then nothing is opened. Else as for the connection itself, and
        /// as for [`TlsConnector::connect`].
        ///
        /// # Cancel safety
        /// When the future is dropped, the connection is closed.
        pub async fn tls_with(self, connector: &TlsConnector, server_name: &str) -> io::Result<(TlsReader<T>, TlsWriter<T>)> {
            let name = to_server_name(server_name)?;
            let (reader, writer) = self.await?;
            connector.connect_to(name, reader, writer).await
        }
    }
}
