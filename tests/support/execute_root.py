"""faas-execute without faasd: as process 1 of namespaces of its own, as nobody, in a directory with
busybox and a control socket that a test holds the other end of.

    with ExecuteRoot(directory) as root:
        execution = root.start()
        execution.connection.sendall(…)

Needs root and busybox.
"""

import array
import http.client
import json
import os
import shutil
import socket
import subprocess

import docker_engine
from faasd_client import PATIENCE_S, binary

BUSYBOX = "/bin/busybox"
APPLETS = tuple(
    "cat cp dd echo grep head kill ls printf pwd readlink seq setsid sh tail true wc yes".split())
NOBODY = 65534
# $1 is the root, $2 the program; the rest is done in its own namespaces, which end with it.
ENTER = """
set -e
mount -t tmpfs -o size=4m,mode=1777 tmp "$1/tmp"
mount -t proc proc "$1/proc"
exec chroot --userspec=65534:65534 "$1" "$2"
"""


def missing():
    """What is not here and needed, if anything."""
    if os.geteuid() != 0:
        return "needs root"
    return None if os.path.exists(BUSYBOX) else f"needs {BUSYBOX} (Debian package busybox-static)"


class Execution:
    """One process and its connection. `output` is what it and its program have printed."""

    def __init__(self, process, connection):
        self.process = process
        self.connection = connection

    def send(self, request):
        """JSON as a POST, or bytes as they are."""
        if not isinstance(request, bytes):
            body = json.dumps(request).encode()
            request = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (
                len(body), body)
        try:
            self.connection.sendall(request)
        except ConnectionError:
            pass  # it has heard enough

    def answer(self):
        """(status, the lines of JSON)."""
        reply = http.client.HTTPResponse(self.connection)
        reply.begin()
        text = reply.read().decode()
        reply.close()
        if reply.status != 200:
            return reply.status, [json.loads(text)]
        assert reply.getheader("Content-Type") == "application/x-ndjson", reply.headers
        return reply.status, [json.loads(line) for line in text.splitlines()]

    def end(self):
        """Closes the connection; (exit status, stdout, stderr)."""
        self.connection.close()
        out, err = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, out.decode(), err.decode()


class ExecuteRoot:
    def __init__(self, directory):
        self.directory = directory
        self._control = None

    def __enter__(self):
        for name in ("bin", "proc", "tmp", "dev"):
            os.mkdir(os.path.join(self.directory, name))
        os.chmod(self.directory, 0o755)
        shutil.copy(BUSYBOX, os.path.join(self.directory, "bin", "busybox"))
        for name in APPLETS:
            os.symlink("busybox", os.path.join(self.directory, "bin", name))
        shutil.copy(binary("faas-execute"), os.path.join(self.directory, "faas-execute"))
        os.mknod(os.path.join(self.directory, "dev", "null"), 0o666 | 0o020000, os.makedev(1, 3))
        os.chmod(os.path.join(self.directory, "dev", "null"), 0o666)
        path = os.path.join(self.directory, "control.sock")
        self._control = socket.socket(socket.AF_UNIX)
        self._control.bind(path)
        os.chmod(path, 0o666)
        self._control.listen()
        self._control.settimeout(PATIENCE_S)
        return self

    def __exit__(self, *_):
        self._control.close()

    def start(self, with_connection=True):
        process = subprocess.Popen(
            [docker_engine.program("unshare", "util-linux"), "--mount", "--propagation", "private",
             "--pid", "--ipc", "--net", "--fork", "--kill-child=SIGKILL", "sh", "-c", ENTER, "sh",
             self.directory, "/faas-execute"],
            env={"PATH": "/bin:/usr/bin:/usr/sbin", "LANG": "C.UTF-8"},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        control, _ = self._control.accept()
        with control:
            if not with_connection:
                return Execution(process, control)
            ours, its = socket.socketpair()
            with its:
                control.sendmsg([b"SOCKET"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS,
                                               array.array("i", [its.fileno()]))])
        ours.settimeout(PATIENCE_S)
        return Execution(process, ours)

    @staticmethod
    def children(execution):
        """Processes in the namespace but its first, as the machine sees them."""
        first = _children_of(execution.process.pid)
        return [pid for each in first for pid in _children_of(each)]


def _children_of(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            return [int(word) for word in file.read().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []
