"""`fanfare top` in a terminal: it draws the numbers anew while they change, ends by a key, and leaves the terminal as it was."""

import os
import pty
import select
import signal
import struct
import subprocess
import termios
import fcntl
import time
import unittest

from program import Server

PATIENCE = 30


class Terminal:
    """A program in a terminal of so many columns and lines."""

    def __init__(self, command, columns=140, lines=50):
        self.master, self.slave = pty.openpty()
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self.before = termios.tcgetattr(self.slave)
        environment = dict(os.environ, TERM="xterm-256color")
        self.process = subprocess.Popen(
            command, stdin=self.slave, stdout=self.slave, stderr=self.slave, env=environment
        )
        self.said = b""

    def wait_for(self, text):
        """Reads until the text has come."""
        end = time.monotonic() + PATIENCE
        while text.encode() not in self.said:
            ready, _, _ = select.select([self.master], [], [], max(0, end - time.monotonic()))
            assert ready, f"never: {text!r}, but {self.said[-2000:]!r}"
            self.said += os.read(self.master, 65536)

    def press(self, key):
        os.write(self.master, key)

    def close(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
        os.close(self.master)
        os.close(self.slave)


class Top(unittest.TestCase):
    def top(self, *arguments, **size):
        command = [os.environ["FANFARE_PROGRAM"], "top", *arguments]
        terminal = Terminal(command, **size)
        self.addCleanup(terminal.close)
        return terminal

    def test_it_shows_numbers_until_a_key_ends_it(self):
        server = Server()
        self.addCleanup(server.stop)
        for key in (b"q", b"\x03", b"\x1b"):
            terminal = self.top("--url", f"http://{server.addr}")
            for text in ("Deliveries", "Traffic", "Reactors", "Memory", "Slowest", "q ends it"):
                terminal.wait_for(text)
            terminal.press(key)
            self.assertEqual(terminal.process.wait(PATIENCE), 0)
            terminal.wait_for("\x1b[?1049l")
            self.assertEqual(termios.tcgetattr(terminal.slave), terminal.before)

    def test_a_small_terminal_is_enough(self):
        server = Server()
        self.addCleanup(server.stop)
        for columns, lines in ((20, 6), (1, 1), (80, 24)):
            terminal = self.top("--url", f"http://{server.addr}", columns=columns, lines=lines)
            terminal.wait_for("\x1b[?1049h")
            # Two answers, each of which is drawn.
            time.sleep(2.5)
            self.assertIsNone(terminal.process.poll(), terminal.said)
            terminal.press(b"q")
            self.assertEqual(terminal.process.wait(PATIENCE), 0)

    def test_it_says_when_the_server_is_gone(self):
        server = Server()
        terminal = self.top("--url", f"http://{server.addr}")
        terminal.wait_for("Traffic")
        server.stop()
        terminal.wait_for("onnection refused")
        terminal.press(b"q")
        self.assertEqual(terminal.process.wait(PATIENCE), 0)


if __name__ == "__main__":
    unittest.main()
