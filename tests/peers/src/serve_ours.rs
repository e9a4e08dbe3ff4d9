//! Our servers, written as users of uasyncio-streams write them; the document and the parser are everyone's.

use crate::document::{DOCUMENT_RESPONSE, parse};
use crate::serve::HTTP_BUFFER;
use std::io;
use uasyncio_streams::{TcpReader, TcpWriter, start_server};

/// Serves until the process is killed. `ready` is told the port.
pub fn run(service: &str, ready: fn(u16)) {
    let service = service.to_owned();
    let result = uasyncio_io::run(async move {
        let server = match service.as_str() {
            "echo" => start_server(echo, "127.0.0.1", 0).await?,
            "once" => start_server(once, "127.0.0.1", 0).await?,
            _ => start_server(http, "127.0.0.1", 0).await?,
        };
        ready(server.local_addr().port());
        server.wait_closed().await
    });
    result.expect("the server runs until it is killed");
}

/// Sends back what comes, until the end.
async fn echo(mut reader: TcpReader, mut writer: TcpWriter) -> io::Result<()> {
    loop {
        let data = reader.fill_buf().await?;
        let length = data.len();
        if length == 0 {
            return Ok(());
        }
        writer.awrite(data).await?;
        reader.consume(length);
    }
}

/// Sends back what comes first, and closes.
async fn once(mut reader: TcpReader, mut writer: TcpWriter) -> io::Result<()> {
    let data = reader.fill_buf().await?;
    writer.awrite(data).await
}

/// Answers every request with the document. The buffer is the connection's own, as in the other servers.
async fn http(mut reader: TcpReader, mut writer: TcpWriter) -> io::Result<()> {
    let mut buffer = [0; HTTP_BUFFER];
    let mut filled = 0;
    loop {
        match parse(&buffer[..filled]) {
            Ok(Some(request)) => {
                let (head, keep_alive) = (request.head, request.keep_alive);
                filled -= head;
                if filled > 0 {
                    buffer.copy_within(head..head + filled, 0);
                }
                writer.awrite(DOCUMENT_RESPONSE).await?;
                if !keep_alive {
                    return Ok(());
                }
            }
            Ok(None) if filled < HTTP_BUFFER => match reader.read(&mut buffer[filled..]).await? {
                0 => return Ok(()),
                length => filled += length,
            },
            _ => return Err(io::ErrorKind::InvalidData.into()),
        }
    }
}
