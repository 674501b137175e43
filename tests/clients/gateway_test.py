"""The gateway with another client that real programs use, written by other people: websockets."""

import asyncio
import json
import unittest
from urllib.parse import urlencode

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from program import Server

PATIENCE = 30


def soon(awaitable):
    return asyncio.wait_for(awaitable, PATIENCE)


class GatewayServer(Server):
    """The program, and clients of its gateway."""

    async def client(self, domain, name, group="", **options):
        query = urlencode({"bizCode": domain, "clientId": name, "group": group})
        return await connect(f"ws://{self.addr}/ws?{query}", max_size=None, **options)


async def receive(client):
    return json.loads(await soon(client.recv()))


async def ask(client, **message):
    await client.send(json.dumps(message))
    return await receive(client)


async def deliver(client, **message):
    """Sends with a receipt, after which whoever was to get it has been sent it."""
    answer = await ask(client, receipt=True, **message)
    delivered = answer.pop("delivered")
    assert answer == {"msgId": message.get("msgId"), "mode": message["mode"], "code": 0}, answer
    return delivered


class Gateway(unittest.IsolatedAsyncioTestCase):
    def serve(self, config=""):
        server = GatewayServer(config)
        self.addCleanup(server.stop)
        return server

    async def quiet(self, *clients):
        """None of them has anything to read."""
        for client in clients:
            answer = await ask(client, mode=1, msgId="quiet")
            self.assertEqual(answer.pop("time") // 10**11 > 0, True)
            self.assertEqual(answer, {"msgId": "quiet", "mode": 1, "code": 0})

    async def test_every_mode(self):
        server = self.serve()
        c1 = await server.client("d1", "c1", "g1")
        c2 = await server.client("d1", "c2", "g1,g2")
        c3 = await server.client("d1", "c3", "g2")
        c4 = await server.client("d2", "c4", "g1")
        c5 = await server.client("d2", "c5", "g2")
        everybody = (c1, c2, c3, c4, c5)
        await self.quiet(*everybody)

        self.assertEqual(await deliver(c1, msgId=1, mode=100, targetClientId="c3", content="é"), 1)
        self.assertEqual(await receive(c3), {"msgId": 1, "mode": 100, "from": "c1", "content": "é"})
        self.assertEqual(await deliver(c1, mode=100, targetClientId="c4", content=1), 0)
        await self.quiet(*everybody)

        self.assertEqual(await deliver(c1, msgId=2, mode=200, group="g1,g2", content=[1]), 2)
        expected = {"msgId": 2, "mode": 200, "from": "c1", "group": "g1,g2", "content": [1]}
        for member in (c2, c3):
            self.assertEqual(await receive(member), expected)
        await self.quiet(*everybody)

        self.assertEqual(await deliver(c4, msgId=3, mode=300, content=None), 1)
        self.assertEqual(await receive(c5), {"msgId": 3, "mode": 300, "from": "c4", "content": None})
        await self.quiet(*everybody)

        self.assertEqual(await ask(c5, msgId="j", mode=2, group="g1"), {"msgId": "j", "mode": 2, "code": 0})
        self.assertEqual(await deliver(c4, mode=200, group="g1", content=1), 1)
        await receive(c5)
        self.assertEqual(await ask(c5, msgId="l", mode=3, group="g1"), {"msgId": "l", "mode": 3, "code": 0})
        self.assertEqual(await deliver(c4, mode=200, group="g1", content=1), 0)
        await self.quiet(*everybody)
        for client in everybody:
            await client.close()
            self.assertEqual((client.close_code, client.close_reason), (1000, ""))

    async def test_bytes_are_kept(self):
        server = self.serve()
        a, b = await server.client("d", "a"), await server.client("d", "b")
        for identity in ("1.0", "1e2", str(2**64), '"\\u0041"', '"\\ud800"'):
            for content in ('{ "b" : 1,"a":\t"\\u00e9\\/" }', "[" * 10_000 + "]" * 10_000, "-0.0"):
                await a.send(f'{{"msgId":{identity},"mode":100,"targetClientId":"b","content":{content}}}')
                expected = f'{{"msgId":{identity},"mode":100,"from":"a","content":{content}}}'
                self.assertTrue(await soon(b.recv()) == expected, (identity, content[:40]))
        await self.quiet(a, b)

    async def test_fragments(self):
        server = self.serve()
        a, b = await server.client("d", "a"), await server.client("d", "b")
        text = json.dumps({"msgId": 1, "mode": 100, "targetClientId": "b", "content": "κ" * 32_000}, ensure_ascii=False)
        await a.send(list(text))
        self.assertEqual((await receive(b))["content"], "κ" * 32_000)
        pong = await a.ping(b"x" * 125)
        await soon(pong)
        await self.quiet(a, b)

    async def test_replaced_again_and_again(self):
        server = self.serve()
        watcher = await server.client("d1", "watcher")
        current = await server.client("d1", "c1")
        for number in range(50):
            newer = await server.client("d1", "c1")
            with self.assertRaises(ConnectionClosed) as closed:
                await soon(current.recv())
            self.assertEqual((closed.exception.rcvd.code, closed.exception.rcvd.reason), (4001, "replaced"))
            self.assertEqual(await deliver(watcher, msgId=number, mode=300, content=1), 1)
            self.assertEqual((await receive(newer))["msgId"], number)
            current = newer
        await self.quiet(current, watcher)

    async def closed_with(self, client, code):
        with self.assertRaises(ConnectionClosed):
            while True:
                await soon(client.recv())
        self.assertEqual(client.close_code, code)

    async def test_close_codes(self):
        server = self.serve("[limits]\nidle_s = 1\n")
        client = await server.client("d", "c", ping_interval=None)
        await self.closed_with(client, 1001)
        client = await server.client("d", "c")
        await client.send(b"binary")
        await self.closed_with(client, 1003)
        client = await server.client("d", "c")
        await client.send("x" * 1_000_001)
        await self.closed_with(client, 1009)
        client = await server.client("d", "c")
        await client.close(4321, "bye")
        self.assertEqual((client.close_code, client.close_reason), (4321, ""))

    async def test_refusals(self):
        server = self.serve('[auth]\ntoken = "456"\n')
        for query, status in (("bizCode=d&token=456", 400), ("bizCode=d&clientId=c&token=457", 401)):
            with self.assertRaises(InvalidStatus) as refused:
                await connect(f"ws://{server.addr}/ws?{query}")
            self.assertEqual(refused.exception.response.status_code, status)
            self.assertEqual(set(json.loads(refused.exception.response.body)), {"code", "message"})
        async with connect(f"ws://{server.addr}/ws?bizCode=d&clientId=c&token=456") as client:
            await self.quiet(client)


if __name__ == "__main__":
    unittest.main()
