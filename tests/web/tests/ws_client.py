"""An independent client for ws_echo: websockets for conversations, wsproto for what one says badly.

usage: ws_client.py PORT, where ws_echo runs with --max-message 2000000 --max-frame 1500000
"""

import asyncio
import os
import socket
import struct
import sys

import websockets
from websockets.asyncio.client import connect
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, BytesMessage, CloseConnection, Ping, Pong, Request, TextMessage

PORT = int(sys.argv[1])
URL = f"ws://127.0.0.1:{PORT}/echo"
LIMIT = 60  # seconds, which only a hang can reach


def open_echo(**options):
    return connect(URL, max_size=None, compression=None, proxy=None, open_timeout=LIMIT, ping_interval=None, **options)


async def messages():
    async with open_echo() as ws:
        for message in ["", "hello", "grün 🦀", b"", b"\0\xff", "x" * 1_000_000, os.urandom(1_000_000)]:
            await ws.send(message)
            assert await ws.recv() == message, message[:20]


async def fragments():
    async with open_echo() as ws:
        await ws.send(["gr", "ü", "", "n"])
        assert await ws.recv() == "grün"
        pieces = [os.urandom(50_000) for _ in range(20)]
        await ws.send(pieces)
        assert await ws.recv() == b"".join(pieces)

        # A ping in the middle of a message is answered before the message has ended.
        async def interrupted():
            yield "before, "
            await (await ws.ping(b"in the middle"))
            yield "after"

        await ws.send(interrupted())
        assert await ws.recv() == "before, after"


async def pings():
    async with open_echo() as ws:
        for payload in [b"", b"there?", bytes(125)]:
            assert await (await ws.ping(payload)) >= 0
        await ws.pong(b"nobody has asked")
        await ws.send("and on it goes")
        assert await ws.recv() == "and on it goes"


async def many_in_flight():
    async with open_echo() as ws:
        async def send():
            for number in range(1000):
                await ws.send(str(number))

        sending = asyncio.create_task(send())
        for number in range(1000):
            assert await ws.recv() == str(number)
        await sending


async def many_connections():
    async def one(number):
        async with open_echo() as ws:
            await ws.send(f"I am {number}")
            assert await ws.recv() == f"I am {number}"

    await asyncio.gather(*(one(number) for number in range(50)))


async def closes():
    for code, reason in [(1000, ""), (1001, "good-bye"), (3333, "ours"), (4999, "x" * 123)]:
        async with open_echo() as ws:
            await ws.close(code, reason)
            received = ws.protocol.close_rcvd
            assert (received.code, received.reason) == (code, reason), received


async def refusals():
    for message, code in [("x" * 1_500_001, 1009), (["y" * 1_200_000] * 2, 1009), (["text", b"\xff"], None)]:
        async with open_echo() as ws:
            if code is None:
                await ws.send([b"\xc3", b"("], text=True)
                code = 1007
            else:
                await ws.send(message)
            try:
                await ws.recv()
            except websockets.ConnectionClosed as closed:
                assert closed.rcvd and closed.rcvd.code == code, closed
            else:
                raise AssertionError("it was echoed")


class Raw:
    """A socket with wsproto's idea of what comes."""

    def __init__(self):
        self.socket = socket.create_connection(("127.0.0.1", PORT), LIMIT)
        self.ws = WSConnection(ConnectionType.CLIENT)
        self.socket.sendall(self.ws.send(Request(host="127.0.0.1", target="/echo")))
        self.waiting = []
        assert isinstance(self.event(), AcceptConnection)

    def event(self):
        while not self.waiting:
            self.ws.receive_data(self.socket.recv(65536) or None)
            self.waiting = list(self.ws.events())
        return self.waiting.pop(0)

    def send(self, event):
        self.socket.sendall(self.ws.send(event))


def raw_conversation():
    raw = Raw()
    raw.send(TextMessage(data="one ", message_finished=False))
    raw.send(Ping(payload=b"now"))
    pong = raw.event()
    assert isinstance(pong, Pong) and pong.payload == b"now", pong
    raw.send(TextMessage(data="two"))
    text = raw.event()
    assert isinstance(text, TextMessage) and text.data == "one two", text
    raw.send(BytesMessage(data=b"\1\2"))
    assert bytes(raw.event().data) == b"\1\2"
    raw.send(CloseConnection(code=1000, reason="done"))
    close = raw.event()
    assert isinstance(close, CloseConnection) and (close.code, close.reason) == (1000, "done"), close
    assert raw.socket.recv(1) == b""


def raw_mistakes():
    mask = b"\0\0\0\0"
    for what, frame, code in [
        ("reserved bit", b"\xc1\x81" + mask + b"x", 1002),
        ("reserved opcode", b"\x83\x81" + mask + b"x", 1002),
        ("no mask", b"\x81\x01x", 1002),
        ("fragmented ping", b"\x09\x80" + mask, 1002),
        ("not UTF-8", b"\x81\x81" + mask + b"\xff", 1007),
        ("too long", b"\x82\xff" + struct.pack(">Q", 1_500_001) + mask, 1009),
    ]:
        raw = Raw()
        raw.socket.sendall(frame)
        close = raw.event()
        assert isinstance(close, CloseConnection) and close.code == code, (what, close)
        # It has said all that it will, and waits for us to go.
        assert raw.socket.recv(1) == b"", what


def raw_disconnects():
    for frame in [b"", b"\x81", b"\x01\x81\0\0\0\0x"]:
        raw = Raw()
        raw.socket.sendall(frame)
        # With a reset rather than an end.
        raw.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raw.socket.close()


async def main():
    for test in [messages, fragments, pings, many_in_flight, many_connections, closes, refusals]:
        await asyncio.wait_for(test(), LIMIT)
        print("ok", test.__name__, flush=True)
    for test in [raw_conversation, raw_mistakes, raw_disconnects]:
        test()
        print("ok", test.__name__, flush=True)
    # The server closes first: our side answers, and has its code.
    async with open_echo() as ws:
        print("ready", flush=True)
        try:
            await asyncio.wait_for(ws.recv(), LIMIT)
        except websockets.ConnectionClosed as closed:
            print("closed", closed.rcvd.code, closed.sent.code, flush=True)


asyncio.run(main())
