//! One WebSocket: every message goes back to where it came from.

use std::io;
use std::pin::pin;
use std::time::Duration;

use async_tungstenite::WebSocketStream;
use async_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use async_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use async_tungstenite::tungstenite::{Bytes, Error, Message, error::ProtocolError};
use futures_util::StreamExt;
use uasyncio_compat::futures_io::AsFutures;
use uasyncio_streams::{StreamReader, StreamWriter, Transport};
use uasyncio_sync::{Event, Selected, select, wait_for};

/// What one client may take up.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    /// The longest frame, in bytes.
    pub(crate) frame: usize,
    /// The longest message, in bytes, in however many frames.
    pub(crate) message: usize,
    /// How long the request that opens the WebSocket may take.
    pub(crate) handshake: Duration,
    /// How long a client may be silent until it is asked, by a ping, whether it is there; and how long it has to answer, or to take
    /// what it is sent. So this also bounds the time of a message that comes in one slow frame.
    pub(crate) idle: Duration,
    /// How long a client has to answer a close frame and to close the connection.
    pub(crate) farewell: Duration,
}

type Socket<T> = WebSocketStream<AsFutures<(StreamReader<T>, StreamWriter<T>)>>;

/// Echoes until one side closes. `read_ahead` has come behind the handshake; `closing` is set when the server shuts down.
pub(crate) async fn echo<T: Transport>(
    stream: (StreamReader<T>, StreamWriter<T>),
    read_ahead: Vec<u8>,
    limits: &Limits,
    closing: &Event,
) {
    let config = WebSocketConfig::default()
        .max_frame_size(Some(limits.frame))
        .max_message_size(Some(limits.message))
        .read_buffer_size(4096);
    let mut socket = WebSocketStream::from_partially_read(AsFutures::new(stream), read_ahead, Role::Server, Some(config)).await;
    let farewell = converse(&mut socket, limits, closing).await;
    // Whatever the client does not do in time is not waited for.
    let _ = wait_for(part(socket, farewell), limits.farewell).await;
}

/// Gives the reason for which the server wants to close; `None`: the client has closed, or is gone.
async fn converse<T: Transport>(socket: &mut Socket<T>, limits: &Limits, closing: &Event) -> Option<CloseFrame> {
    let mut closing = pin!(closing.wait());
    let mut asked = false;
    loop {
        let message = match select(closing.as_mut(), pin!(wait_for(socket.next(), limits.idle))).await {
            Selected::First(..) => return Some(reason(CloseCode::Away, "the server is shutting down")),
            Selected::Second(_, message) => message,
        };
        let answer = match message {
            Ok(Some(Ok(message))) => {
                asked = false;
                match message {
                    Message::Text(_) | Message::Binary(_) => message,
                    // tungstenite has answers to these itself, and sends them when it is asked for the next message.
                    _ => continue,
                }
            }
            Ok(Some(Err(error))) => return refusal(&error),
            Ok(None) => return None,
            Err(_) if asked => return Some(reason(CloseCode::Error, "a ping was not answered")),
            Err(_) => {
                asked = true;
                Message::Ping(Bytes::new())
            }
        };
        // The next message is read when this one is written: a client that does not read cannot fill our memory.
        match wait_for(socket.send(answer), limits.idle).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return refusal(&error),
            Err(_) => return None,
        }
    }
}

fn reason(code: CloseCode, text: &'static str) -> CloseFrame {
    CloseFrame { code, reason: text.into() }
}

/// What a client is told that has sent what it may not.
fn refusal(error: &Error) -> Option<CloseFrame> {
    match error {
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => None,
        Error::Protocol(_) => Some(reason(CloseCode::Protocol, "that is no WebSocket")),
        Error::Utf8(_) => Some(reason(CloseCode::Invalid, "a text must be UTF-8")),
        Error::Capacity(_) => Some(reason(CloseCode::Size, "too long")),
        _ => None,
    }
}

/// Says good-bye, and then listens until the client has closed: closing with something unread would reset the connection, and the
/// client might never see why.
async fn part<T: Transport>(mut socket: Socket<T>, farewell: Option<CloseFrame>) -> io::Result<()> {
    if farewell.is_some() {
        socket.close(farewell).await.map_err(io::Error::other)?;
        // After an invalid frame there is nothing more that could be understood, and this ends at once.
        while let Some(Ok(_)) = socket.next().await {}
    }
    let (mut reader, mut writer) = socket.into_inner().into_inner();
    writer.write_eof().await?;
    loop {
        let count = reader.fill_buf().await?.len();
        if count == 0 {
            return Ok(());
        }
        reader.consume(count);
    }
}
