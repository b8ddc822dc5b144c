#!/usr/bin/env python3
"""The daemon's side of the handler protocol alone, to check a handler without a container.

A handler believes in /control.sock. Here it gets one in a mount namespace of its own, whose root is
a tmpfs with the machine's top-level directories bound into it; nothing on the machine changes.
Speaks exactly what docs/PROTOCOL.md promises: one connect, one message `SOCKET` with one
descriptor, nothing more. Needs root.

    fake_faasd.py [--root DIR] -- python3 handler.py      prints what the client got for a GET
"""

from __future__ import annotations

import argparse
import contextlib
import os
import select
import shlex
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence

TIMEOUT_S = 20.0  # far above any handler's start, so only a handler that hangs meets it
MESSAGE = b"SOCKET"

# Runs in the new mount namespace. $1 the control socket, $2 an empty directory, $3 the root of the
# handler ("/" for the machine's own); then its command.
ENTER = r"""
set -eu
socket=$1 new_root=$2 root=$3
shift 3
mount -t tmpfs tmpfs "$new_root"
for path in "$root"/* ; do
  name=${path##*/}
  if [ -L "$path" ]; then
    cp -P "$path" "$new_root/$name"
  elif [ -d "$path" ]; then
    mkdir "$new_root/$name"
    mount --rbind "$path" "$new_root/$name"
  elif [ -f "$path" ]; then
    cp "$path" "$new_root/$name"
  fi
done
touch "$new_root/control.sock"
mount --bind "$socket" "$new_root/control.sock"
exec chroot "$new_root" "$@"
"""


class Handed:
    """A handler that runs and has its connection; `client` is the other end."""

    def __init__(self, client: socket.socket, process: subprocess.Popen[bytes]) -> None:
        self.client = client
        self.process = process

    def reply(self) -> bytes:
        """Everything up to the handler's close."""
        parts = []
        while part := self.client.recv(65536):
            parts.append(part)
        return b"".join(parts)

    def exchange(self, request: bytes) -> bytes:
        self.client.sendall(request)
        return self.reply()

    def exit_code(self) -> int:
        self.client.close()
        return self.process.wait(TIMEOUT_S)


def _tcp_pair() -> tuple[socket.socket, socket.socket]:
    """A client and the accepted socket, on a port of loopback that the kernel chooses."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname(), TIMEOUT_S)
        accepted, _ = listener.accept()
    accepted.setblocking(True)
    return client, accepted


class NeverConnected(Exception):
    """The handler ended, or let the time pass, before it connected to /control.sock."""


def _await_connect(listener: socket.socket, process: subprocess.Popen[bytes]) -> None:
    pidfd = os.pidfd_open(process.pid)
    try:
        ready, _, _ = select.select([listener, pidfd], [], [], TIMEOUT_S)
    finally:
        os.close(pidfd)
    if listener not in ready:
        end = f"ended with {process.wait()}" if ready else f"waited for {TIMEOUT_S} s"
        raise NeverConnected(f"{shlex.join(map(str, process.args[-2:]))}: {end}")


@contextlib.contextmanager
def start_handler(
    command: Sequence[str], socket_path: str, directory: str, root: str = "/", **popen
) -> Iterator[subprocess.Popen[bytes]]:
    """The handler's process, which sees `socket_path` as /control.sock; killed at the end."""
    new_root = os.path.join(directory, "root")
    os.mkdir(new_root)
    prefix = ["unshare", "--mount", "--propagation", "private", "sh", "-c", ENTER, "enter"]
    popen.setdefault("stdin", subprocess.DEVNULL)
    process = subprocess.Popen(
        [*prefix, socket_path, new_root, "" if root == "/" else root, *command], **popen
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


@contextlib.contextmanager
def handed(
    command: Sequence[str],
    root: str = "/",
    before: Callable[[socket.socket], None] | None = None,
    **popen,
) -> Iterator[Handed]:
    """Starts the handler and hands it a connection. `before` may use the client's end first: a
    client that has sent its request, or has left, before the handler came."""
    with tempfile.TemporaryDirectory(prefix="fake-faasd-") as directory:
        path = os.path.join(directory, "control.sock")
        with contextlib.ExitStack() as stack:
            listener = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            listener.bind(path)
            listener.listen(1)
            client, accepted = _tcp_pair()
            stack.enter_context(client)
            with accepted:
                if before is not None:
                    before(client)
                process = stack.enter_context(
                    start_handler(command, path, directory, root, **popen)
                )
                _await_connect(listener, process)
                control, _ = listener.accept()
                listener.close()  # the second connect is refused
                with control:
                    socket.send_fds(control, [MESSAGE], [accepted.fileno()])
            yield Handed(client, process)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", default="/", help="directory that the handler sees as /")
    parser.add_argument("command", nargs="+", help="the handler and its arguments")
    arguments = parser.parse_args()
    with handed(arguments.command, arguments.root) as handler:
        request = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        reply = handler.exchange(request)
        code = handler.exit_code()
    sys.stdout.buffer.write(reply)
    print(f"\n{shlex.join(arguments.command)}: exit code {code}", file=sys.stderr)
    return 0 if reply and code == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
