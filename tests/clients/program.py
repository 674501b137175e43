"""The program under test, as a child process."""

import os
import subprocess
import tempfile


class Server:
    """The program on a free port."""

    def __init__(self, config="", reactors=3):
        self.folder = tempfile.TemporaryDirectory()
        path = os.path.join(self.folder.name, "fanfare.toml")
        with open(path, "w") as file:
            file.write(config)
        command = [os.environ["FANFARE_PROGRAM"], "-c", path, "--listen", "127.0.0.1:0"]
        command += ["--reactors", str(reactors)]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        ready = self.process.stdout.readline()
        assert "http://" in ready, ready
        self.addr = ready.split("http://")[1].split()[0]

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.folder.cleanup()
