"""Clients that subscribe to the main session and stop reading; row10-slow-consumer.test.ts judges them.

Their sockets take next to nothing: a small receive buffer, and small segments, since the kernel sizes the buffer of the
sending side by them. With what Node can set, the kernel would hold 4 MB for each before the gateway notices anything.
Prints "ready" when all are subscribed. A number on standard input wakes so many of them up, the first ones: they read on
until they are closed. When all have been, prints what came of each as one JSON list.
Usage: stalled-readers.py <url> <token file> <how many>
"""

import json
import select
import socket
import struct
import sys
from urllib.parse import urlsplit

import msgpack

MAIN = "agent:main:main"


def client_frame(value):
    payload = msgpack.packb(value)
    head = bytes([0x82, 0x80 | len(payload)]) if len(payload) < 126 else struct.pack("!BBH", 0x82, 0xFE, len(payload))
    return head + bytes(4) + payload  # masked with zeros


def connect(url):
    to = urlsplit(url)
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 1000)
    sock.connect((to.hostname, to.port))
    head = [
        f"GET {to.path} HTTP/1.1", f"Host: {to.netloc}", "Connection: Upgrade", "Upgrade: websocket",
        "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "", "",
    ]
    sock.sendall("\r\n".join(head).encode())
    return sock


class Reader:
    """What one client reads: the upgrade, then frames of the gateway, which are not fragmented."""

    def __init__(self, sock):
        self.sock = sock
        self.data = bytearray()
        self.upgraded = False
        self.replies = 0
        self.last_seq = None
        self.gaps = 0
        self.code = None

    def read(self):
        """Takes what is there. False: the connection is gone."""
        try:
            chunk = self.sock.recv(1 << 20)
        except ConnectionResetError:
            return False
        self.data += chunk
        if not self.upgraded and b"\r\n\r\n" in self.data:
            self.upgraded = True
            del self.data[: self.data.index(b"\r\n\r\n") + 4]
        while self.upgraded and self.frame():
            pass
        return chunk != b""

    def read_until(self, met):
        while not met(self):
            assert self.read(), "closed too early"

    def frame(self):
        data = self.data
        if len(data) < 2:
            return False
        short = data[1] & 0x7F
        start = {126: 4, 127: 10}.get(short, 2)
        if len(data) < start:
            return False
        length = int.from_bytes(data[2:start], "big") if start > 2 else short
        if len(data) < start + length:
            return False
        payload = bytes(data[start : start + length])
        opcode = data[0] & 0x0F
        del data[: start + length]
        if opcode == 8:
            self.code = int.from_bytes(payload[:2], "big")
        elif opcode == 2:
            self.note(msgpack.unpackb(payload))
        return True

    def note(self, frame):
        data = frame.get("data") or {}
        if frame["id"] in ("h", "s"):
            self.replies += 1
        elif "seq" in data:
            if self.last_seq is not None and data["seq"] != self.last_seq + 1 + data.get("skipped", 0):
                self.gaps += 1
            self.last_seq = data["seq"]


def main(url, token_file, count):
    with open(token_file, encoding="utf-8") as file:
        token = file.read().strip()
    readers = [Reader(connect(url)) for _ in range(int(count))]
    hello = {"protocol": [1, 1], "client": {"name": "stalled", "version": "1"}, "auth": {"token": token}}
    requests = client_frame({"id": "h", "type": "hello", "data": hello})
    requests += client_frame({"id": "s", "type": "subscribe", "data": {"session": MAIN}})
    for reader in readers:
        reader.read_until(lambda reader: reader.upgraded)
        reader.sock.sendall(requests)
    for reader in readers:
        reader.read_until(lambda reader: reader.replies == 2)
    print("ready", flush=True)

    poll = select.poll()
    poll.register(0, select.POLLIN)
    asleep = list(readers)
    awake = {}
    while asleep or awake:
        for fd, _ in poll.poll():
            if fd == 0:
                waking = int(sys.stdin.readline()) - (len(readers) - len(asleep))
                for reader in asleep[:waking]:
                    reader.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
                    poll.register(reader.sock, select.POLLIN)
                    awake[reader.sock.fileno()] = reader
                del asleep[:waking]
            elif not awake[fd].read():
                poll.unregister(fd)
                del awake[fd]
    print(json.dumps([{"code": reader.code, "gaps": reader.gaps} for reader in readers]), flush=True)


main(*sys.argv[1:])
