"""Application 1 with a client that is not JavaScript: python-socketio."""

import queue
import unittest
import uuid

import socketio

from program import Server

PATIENCE = 30


TRANSPORTS = (["websocket"], ["polling"], ["polling", "websocket"])


def unique(what):
    return f"{what}-{uuid.uuid4()}"


class Peer:
    """A connection; what arrives is read event by event."""

    def __init__(self, server, transports):
        self.events = queue.Queue()
        self.client = socketio.Client(reconnection=False)
        self.client.on("*", lambda name, *args: self.events.put((name, *args)))
        self.client.connect(f"http://{server.addr}", transports=transports, wait_timeout=PATIENCE)

    def ask(self, event, payload):
        return self.client.call(event, payload, timeout=PATIENCE)

    def tell(self, event, payload):
        self.client.emit(event, payload)

    def broadcast(self, room, event, text):
        """To how many it went."""
        answer = self.ask("broadcastInfo", {"roomName": room, "eventName": event, "text": text})
        assert answer == {"ok": True, "delivered": answer["delivered"]}, answer
        return answer["delivered"]

    def next(self):
        return self.events.get(timeout=PATIENCE)

    def is_quiet(self):
        """Has nothing to read: what it asks is answered next."""
        return self.broadcast(unique("nobody"), "quiet", None) == 0 and self.events.empty()


class Application(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server()
        cls.addClassCleanup(cls.server.stop)

    def open(self, transports):
        peer = Peer(self.server, transports)
        self.addCleanup(peer.client.disconnect)
        return peer

    def each(self, count, body):
        """With so many peers of every transport."""
        for transports in TRANSPORTS:
            with self.subTest(transports=transports):
                body(*(self.open(transports) for _ in range(count)))

    def test_users_and_groups(self):
        def body(first, second, sender):
            user, g, h = unique("user"), unique("g"), unique("h")
            self.assertEqual(first.ask("register", {"user": user, "group": [g, h]}), {"ok": True})
            self.assertEqual(second.ask("register", {"group": g}), {"ok": True})
            self.assertEqual(sender.broadcast(user, "to user", 1), 1)
            self.assertEqual(first.next(), ("to user", 1))
            self.assertEqual(sender.broadcast(g, "to g", 2), 2)
            self.assertEqual([first.next(), second.next()], [("to g", 2)] * 2)
            self.assertEqual(second.broadcast(g, "to g", 3), 1)
            self.assertEqual(first.next(), ("to g", 3))

            # The name goes to whoever registers it last; another name gives it up.
            self.assertEqual(second.ask("register", {"user": user}), {"ok": True})
            self.assertEqual(sender.broadcast(user, "to user", 4), 1)
            self.assertEqual(second.next(), ("to user", 4))
            self.assertEqual(second.ask("register", {"user": unique("user")}), {"ok": True})
            self.assertEqual(sender.broadcast(user, "to user", 5), 0)
            self.assertEqual(first.ask("unRegister", {"group": [g]}), {"ok": True})
            self.assertEqual(sender.broadcast(g, "to g", 6), 1)
            self.assertEqual(second.next(), ("to g", 6))

            # Whoever leaves is in nothing any more.
            first.client.disconnect()
            for _ in range(2_000):
                if sender.broadcast(h, "gone", None) == 0:
                    break
            self.assertEqual(sender.broadcast(h, "gone", None), 0)
            self.assertTrue(second.is_quiet() and sender.is_quiet())

        self.each(3, body)

    def test_texts(self):
        texts = [
            None, True, 0, -1.5, 2**53 - 1, "", "é κόσμε 😀 \u2028", [], {}, {"a": [1, {"b": None}], "ü": "\u0000"},
            b"", b"\x00\xff", {"bytes": [b"abc", {"more": bytes(range(256))}], "text": "é"},
            "x" * 400_000, bytes(400_000),
        ]  # fmt: skip

        def body(peer, sender):
            group = unique("group")
            self.assertEqual(peer.ask("register", {"group": group}), {"ok": True})
            for text in texts:
                self.assertEqual(sender.broadcast(group, "text", text), 1)
                self.assertEqual(peer.next(), ("text", text))
            for number in range(500):
                sender.tell("broadcastInfo", {"roomName": group, "eventName": "n", "text": number})
            self.assertEqual([peer.next() for _ in range(500)], [("n", number) for number in range(500)])
            self.assertTrue(peer.is_quiet() and sender.is_quiet())

        self.each(2, body)

    def test_what_cannot_be_taken(self):
        faults = [
            ("register", {}, "bad_request"),
            ("register", {"user": ""}, "bad_request"),
            ("register", {"group": ["g", "x" * 257]}, "bad_request"),
            ("unRegister", "user", "bad_request"),
            ("broadcastInfo", {"roomName": "r", "text": 1}, "bad_request"),
            ("broadcastInfo", {"roomName": "r", "eventName": "disconnect", "text": 1}, "reserved_event"),
        ]

        def body(peer):
            for event, payload, code in faults:
                answer = peer.ask(event, payload)
                message = answer["error"].pop("message")
                self.assertEqual(answer, {"ok": False, "error": {"code": code}})
                self.assertTrue(message)
                peer.tell(event, payload)
                name, error = peer.next()
                self.assertTrue(error.pop("message"))
                self.assertEqual((name, error), ("exception", {"event": event, "code": code}))
            self.assertTrue(peer.is_quiet())

        self.each(1, body)

    def test_there_is_no_other_namespace(self):
        for transports in TRANSPORTS:
            errors = queue.Queue()
            client = socketio.Client(reconnection=False)
            client.on("connect_error", errors.put, namespace="/nope")
            with self.subTest(transports=transports), self.assertRaises(socketio.exceptions.ConnectionError):
                client.connect(f"http://{self.server.addr}", namespaces=["/nope"], transports=transports)
            self.assertEqual(errors.get(timeout=PATIENCE), {"message": "Invalid namespace"})


if __name__ == "__main__":
    unittest.main()
