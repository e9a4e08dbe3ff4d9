//! The example `chat`, with clients over TCP.

#[path = "../examples/chat.rs"]
#[allow(dead_code)]
mod chat;

use std::rc::Rc;

use uasyncio_core::yield_now;
use uasyncio_streams::{Server, TcpReader, TcpWriter, open_connection, start_server};

async fn room() -> Server {
    let room = Rc::new(chat::Room::default());
    let handler = move |reader, writer| {
        let room = room.clone();
        async move { chat::visit(&room, reader, writer).await }
    };
    start_server(handler, "127.0.0.1", 0).await.unwrap()
}

async fn enter(server: &Server, name: &str) -> (TcpReader, TcpWriter) {
    let (mut reader, mut writer) = open_connection("127.0.0.1", server.local_addr().port()).await.unwrap();
    assert_eq!(line(&mut reader).await, "* what is your name?\n");
    writer.awritestr(&format!("{name}\r\n")).await.unwrap();
    assert!(line(&mut reader).await.starts_with(&format!("* welcome, {name}")));
    (reader, writer)
}

async fn line(reader: &mut TcpReader) -> String {
    String::from_utf8(reader.readline().await.unwrap().to_vec()).unwrap()
}

#[test]
fn everybody_hears_what_the_others_say() {
    uasyncio_io::run(async {
        let server = room().await;
        let (mut ann, mut ann_says) = enter(&server, "ann").await;
        let (mut bob, mut bob_says) = enter(&server, "bob").await;
        assert_eq!(line(&mut ann).await, "* bob has come\n");
        ann_says.awritestr("hello\n\n\x07  \nyou\n").await.unwrap();
        assert_eq!(line(&mut bob).await, "ann: hello\n");
        assert_eq!(line(&mut bob).await, "ann: you\n");
        bob_says.awritestr("/nick robert\nyes?\n").await.unwrap();
        assert_eq!(line(&mut ann).await, "* bob is now robert\n");
        assert_eq!(line(&mut ann).await, "robert: yes?\n");
        ann_says.awritestr(&format!("{}\nstill here\n", "x".repeat(5000))).await.unwrap();
        assert_eq!(line(&mut ann).await, "* a line has at most 1024 bytes\n");
        assert_eq!(line(&mut bob).await, "ann: still here\n");
        bob_says.awritestr("/quit\n").await.unwrap();
        assert_eq!(line(&mut bob).await, "");
        assert_eq!(line(&mut ann).await, "* robert has left\n");
    });
}

#[test]
fn nobody_waits_for_a_client_that_does_not_read() {
    uasyncio_io::run(async {
        let server = room().await;
        let (slow, _slow_says) = enter(&server, "slow").await;
        let (mut ann, mut ann_says) = enter(&server, "ann").await;
        let (mut bob, _bob_says) = enter(&server, "bob").await;
        assert_eq!(line(&mut ann).await, "* bob has come\n");
        let text = "x".repeat(1000);
        // More than fits on the way to the slow one. Bob reads all of it.
        let mut said = 0;
        loop {
            ann_says.awritestr(&format!("{text}\n")).await.unwrap();
            said += 1;
            match line(&mut bob).await {
                leaving if leaving == "* slow was too slow and had to leave\n" => break,
                heard => assert_eq!(heard, format!("ann: {text}\n")),
            }
        }
        assert!(said > 100);
        assert_eq!(line(&mut ann).await, "* slow was too slow and had to leave\n");
        drop(slow);
        yield_now().await;
    });
}
