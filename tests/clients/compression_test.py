"""permessage-deflate, as websockets speaks it: by default it asks for a window of 12 bits."""

import os
import unittest

from gateway_test import GatewayServer, ask, deliver, receive, soon
from websockets.exceptions import ConnectionClosed
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory

ON = "[ws]\ncompression = true\n[compression]\nthreshold_bytes = 100\n"


def factory(**settings):
    return {"compression": None, "extensions": [ClientPerMessageDeflateFactory(**settings)]}


class Compressed(unittest.IsolatedAsyncioTestCase):
    async def test_every_offer(self):
        server = GatewayServer(ON)
        self.addCleanup(server.stop)
        offers = [{}, factory(), factory(server_max_window_bits=8), factory(client_max_window_bits=True)]
        offers += [factory(server_max_window_bits=bits, client_max_window_bits=bits) for bits in range(9, 16)]
        offers += [factory(server_no_context_takeover=True, client_no_context_takeover=True)]
        texts = ["é", "a" * 256, "word " * 40, "word 世界 " * 700, os.urandom(3_000).hex()]
        for options in offers:
            client = await server.client("d", "c", **options)
            self.assertIn("permessage-deflate", client.response.headers["Sec-WebSocket-Extensions"])
            self.assertEqual(len(client.protocol.extensions), 1)
            for text in texts * 2:
                answer = await ask(client, mode=1, msgId=text)
                self.assertEqual(answer["msgId"], text)
            await client.close()

    async def test_messages_between_clients(self):
        server = GatewayServer(ON)
        self.addCleanup(server.stop)
        a, b = await server.client("d", "a"), await server.client("d", "b", compression=None)
        for content in ("", "word " * 100_000, os.urandom(200_000).hex()):
            for sender, receiver in ((a, b), (b, a)):
                self.assertEqual(await deliver(sender, mode=300, content=content), 1)
                self.assertTrue((await receive(receiver))["content"] == content)
        # In fragments.
        await a.send(['{"mode":300,', '"content":', '"' + "x" * 50_000, "y" * 50_000 + '"}'])
        self.assertTrue((await receive(b))["content"] == "x" * 50_000 + "y" * 50_000)
        await a.send('{"mode":300,"content":"' + "x" * 50_000_000 + '"}')
        with self.assertRaises(ConnectionClosed) as closed:
            await soon(a.recv())
        self.assertEqual(closed.exception.rcvd.code, 1009)
