"""A client of the wire protocol that shares no code, language or library with the gateway.

Goes through the protocol against a real gateway and prints what it saw as one JSON object; python-client.test.ts judges
it. The model is expected to answer the first message with a tool call and never to end the answer to the second one.
Usage: python-client.py <url> <token file>
"""

import asyncio
import json
import sys
import time

import msgpack
import websockets

EVENTS = {
    "message.inbound", "run.start", "message.delta", "tool.start", "tool.end", "message.outbound", "run.end",
}


class Refused(Exception):
    def __init__(self, error):
        super().__init__(error["message"])
        self.error = error


class Client:
    def __init__(self, socket, as_json):
        self.socket = socket
        self.as_json = as_json
        self.events = []
        self.last_id = 0

    @classmethod
    async def connect(cls, url, token, as_json=False):
        client = cls(await websockets.connect(url, max_size=None), as_json)
        who = {"name": "python-client", "version": "1"}
        client.welcome = await client.ask("hello", protocol=[1, 1], client=who, auth={"token": token})
        return client

    async def ask(self, kind, **data):
        """Sends a request and returns the data of its reply; events that come before it are kept."""
        self.last_id += 1
        frame = {"id": f"py-{self.last_id}", "type": kind, "timestamp": int(time.time() * 1000), "data": data}
        await self.socket.send(json.dumps(frame) if self.as_json else msgpack.packb(frame))
        while True:
            reply = await self.receive()
            if reply["id"] != frame["id"]:
                continue
            if reply["type"] == "error":
                raise Refused(reply["error"])
            return reply["data"]

    async def receive(self):
        message = await asyncio.wait_for(self.socket.recv(), 10)
        assert isinstance(message, str) == self.as_json, "the gateway answered in the other form"
        frame = json.loads(message) if self.as_json else msgpack.unpackb(message)
        if frame["type"] in EVENTS:
            self.events.append(frame)
        return frame

    async def until(self, kind, count=1):
        """Receives until there are `count` events of this type."""
        while sum(event["type"] == kind for event in self.events) < count:
            await self.receive()

    def shown(self):
        return [[event["type"], event["data"]] for event in self.events]


async def main(url, token_file):
    with open(token_file, encoding="utf-8") as file:
        token = file.read().strip()
    seen = {}

    client = await Client.connect(url, token)
    seen["welcome"] = client.welcome
    session = (await client.ask("session.create", user="पाइथन"))["session"]["id"]
    seen["session"] = session
    seen["ack"] = await client.ask("message.send", session=session, text="what is 2+3*4", idempotencyKey="py")
    seen["events before ack"] = len(client.events)
    await client.until("run.end")
    seen["events"] = client.shown()
    seen["repeated"] = await client.ask("message.send", session=session, text="what is 2+3*4", idempotencyKey="py")
    seen["history"] = await client.ask("session.history", session=session)

    # A second connection, in JSON, that claims to have seen three events and wants the rest.
    epoch = client.events[0]["data"]["epoch"]
    second = await Client.connect(url, token, as_json=True)
    seen["subscribed"] = await second.ask("subscribe", session=session, after=3, epoch=epoch)
    seen["replayed"] = second.shown()

    await client.ask("message.send", session=session, text="tell me a story")
    await client.until("run.start", 2)
    run = client.events[-1]["data"]["run"]
    seen["cancelled"] = await client.ask("message.cancel", session=session, run=run)
    for subscriber in (client, second):
        await subscriber.until("run.end", 2)
    seen["ends"] = [subscriber.shown()[-1] for subscriber in (client, second)]

    try:
        await client.ask("message.send", session=session, text="")
    except Refused as refused:
        seen["refused"] = refused.error
    await client.socket.close()
    await second.socket.close()

    stranger = await websockets.connect(url)
    await stranger.send(msgpack.packb({"id": "s", "type": "ping"}))
    seen["stranger"] = msgpack.unpackb(await stranger.recv())["error"]["code"]
    await stranger.wait_closed()
    seen["stranger closed"] = stranger.close_code
    print(json.dumps(seen))


asyncio.run(main(*sys.argv[1:]))
