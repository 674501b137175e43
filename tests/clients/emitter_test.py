"""PyPI's emitter reaches the clients of fanfare's servers by Redis.

It writes text the way that MessagePack had before it knew bytes, so that it has no bytes to send; and it publishes once for
each room, so that a client in two of them gets an event twice.
"""

import importlib.util
import os
import queue
import subprocess
import tempfile
import time
import unittest
import uuid

import redis
import socketio

from program import Server

PATIENCE = 30


def load_emitter():
    """Its package imports itself the way that Python 2 did; the module in it does not need that."""
    (folder,) = importlib.util.find_spec("emitter").submodule_search_locations
    spec = importlib.util.spec_from_file_location("emitter_module", os.path.join(folder, "emitter.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Emitter


def unique(what):
    return f"{what}-{uuid.uuid4()}"


def until(check):
    end = time.monotonic() + PATIENCE
    while not check():
        assert time.monotonic() < end, "never"
        time.sleep(0.01)


class Redis:
    """A redis-server of the test's own, at a socket in a folder of its own."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory()
        self.path = os.path.join(self.folder.name, "redis.sock")
        command = ["redis-server", "--port", "0", "--unixsocket", self.path, "--dir", self.folder.name]
        command += ["--save", "", "--appendonly", "no"]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(lambda: os.path.exists(self.path))
        self.client = redis.Redis(unix_socket_path=self.path)
        until(self.accepts)

    def accepts(self):
        try:
            return self.client.ping()
        except redis.ConnectionError:
            return False

    def stop(self):
        self.client.close()
        self.process.kill()
        self.process.wait()
        self.folder.cleanup()


class Peer:
    """A connection in some groups; what arrives is read event by event."""

    def __init__(self, server, *groups):
        self.events = queue.Queue()
        self.client = socketio.Client(reconnection=False)
        self.client.on("*", lambda name, *args: self.events.put((name, *args)))
        self.client.connect(f"http://{server.addr}", transports=["websocket"], wait_timeout=PATIENCE)
        if groups:
            answer = self.client.call("register", {"group": groups}, timeout=PATIENCE)
            assert answer == {"ok": True}, answer

    def next(self):
        return self.events.get(timeout=PATIENCE)


class Emitter(unittest.TestCase):
    def setUp(self):
        self.redis = Redis()
        self.addCleanup(self.redis.stop)
        self.servers = [Server(f'redis = "redis+unix://{self.redis.path}"\n') for _ in range(2)]
        for server in self.servers:
            self.addCleanup(server.stop)
        channel = "socket.io-request#/#"
        until(lambda: self.redis.client.pubsub_numsub(channel) == [(channel.encode(), 2)])
        self.emitter = load_emitter()({"client": self.redis.client})

    def open(self, server, *groups):
        peer = Peer(self.servers[server], *groups)
        self.addCleanup(peer.client.disconnect)
        return peer

    def test_rooms_and_everybody(self):
        g, h = unique("g"), unique("h")
        peers = [self.open(0, g), self.open(1, g), self.open(0, h), self.open(1, h), self.open(1, g, h)]
        self.emitter.Emit("all", 1, {"deep": [None, "ü"]}, "x" * 70_000)
        for peer in peers:
            self.assertEqual(peer.next(), ("all", 1, {"deep": [None, "ü"]}, "x" * 70_000))
        self.emitter.To(g).Emit("to g", 2)
        for peer in (peers[0], peers[1], peers[4]):
            self.assertEqual(peer.next(), ("to g", 2))
        self.emitter.To(g).To(h).Emit("to both")
        for peer in peers:
            self.assertEqual(peer.next(), ("to both",))
        self.assertEqual(peers[4].next(), ("to both",))
        self.emitter.Of("/another").Emit("nobody")
        self.emitter.To(unique("nobody")).Emit("nobody")
        self.emitter.Emit("end")
        for peer in peers:
            self.assertEqual(peer.next(), ("end",))
            self.assertTrue(peer.events.empty())

    def test_one_socket(self):
        peers = [self.open(0), self.open(1)]
        for peer in peers:
            id = peer.client.get_sid()
            self.emitter.To(id).Emit("yours", id)
            self.assertEqual(peer.next(), ("yours", id))
        self.assertTrue(all(peer.events.empty() for peer in peers))


if __name__ == "__main__":
    unittest.main()
