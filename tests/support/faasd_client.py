"""How tests call a faasd: by the command line and by HTTP, over its Unix socket or its TCP port.

Binaries: $FAASD, $FAAS and the like, else those of the release build.
"""

import http.client
import json
import os
import socket
import subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BIN = os.path.join(ROOT, "build", "release", "bin")
HELLO_TAR = os.path.join(ROOT, "build", "release", "hello.tar")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# Longer than anything takes on a loaded machine; what is over it hangs. Where the processor is only
# emulated, everything takes longer.
USUAL_PATIENCE_S = 30
PATIENCE_S = int(os.environ.get("FAASD_TEST_PATIENCE_S", USUAL_PATIENCE_S))


def at_this_pace(ms):
    """As many milliseconds here as those on an ordinary machine."""
    return ms * PATIENCE_S // USUAL_PATIENCE_S


def binary(name):
    return os.environ.get(name.upper()) or os.path.join(BIN, name)


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=PATIENCE_S)
        self._path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(PATIENCE_S)
        self.sock.connect(self._path)


class Client:
    """The calls. What is called has a `socket`, `listen` (HOST:PORT, or None) and a `log`."""

    socket = None
    listen = None
    log = None

    def faas(self, *arguments, input=None, check=False, env=None, timeout_s=120):
        """The command line; `input` is bytes or an open file."""
        stream = {"stdin": input} if hasattr(input, "fileno") else {"input": input or b""}
        done = subprocess.run([binary("faas"), "--socket", self.socket, *arguments], **stream,
                              capture_output=True, timeout=timeout_s,
                              env={"PATH": PATH, "LANG": "C.UTF-8", **(env or {})})
        done.stdout, done.stderr = done.stdout.decode(), done.stderr.decode()
        if check and done.returncode != 0:
            raise AssertionError(f"faas {' '.join(arguments)}: {done.returncode}\n{done.stderr}\n"
                                 f"{self.log.tail()}")
        return done

    def deploy(self, name, archive=HELLO_TAR, *options):
        """Deploys a file (path) or bytes; the address."""
        if isinstance(archive, bytes):
            self.faas("new", name, *options, input=archive, check=True)
        else:
            self.faas("new", name, "-f", archive, *options, check=True)
        return self.ip(name)

    def ip(self, name):
        return self.faas("ip", name, check=True).stdout.strip()

    def describe(self, name):
        return json.loads(self.faas("describe", name, "--json", check=True).stdout)

    def function_log(self, name):
        """What the instances of a function wrote, line by line."""
        lines = self.faas("logs", name, "--json", check=True).stdout.splitlines()
        return [json.loads(line) for line in lines]

    def api(self, method, path, body=None, headers=None, unix=True, encode_chunked=False):
        """(status, headers, parsed JSON or bytes) of one call of the control API."""
        if unix:
            connection = UnixConnection(self.socket)
        else:
            host, _, port = self.listen.rpartition(":")
            connection = http.client.HTTPConnection(host, int(port), timeout=PATIENCE_S)
        try:
            connection.request(method, path, body, headers or {}, encode_chunked=encode_chunked)
            answer = connection.getresponse()
            data = answer.read()
        finally:
            connection.close()
        if "json" in (answer.getheader("Content-Type") or ""):
            data = json.loads(data)
        return answer.status, answer.headers, data
