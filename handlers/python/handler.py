"""A Python handler: takes one connection, answers one HTTP request, exits."""

import socket
import sys
import time

MAX_HEAD = 64 * 1024  # what usual servers accept
CHUNK = 64 * 1024
DRAIN_S = 1.0  # a client that still sends after that loses the tail of its upload


class BadRequest(Exception):
    """The request cannot be served; the arguments are the status and a line for people."""


def receive_connection() -> socket.socket:
    """Blocks until faasd has a connection for this container."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as control:
        control.connect("/control.sock")
        _, fds, _, _ = socket.recv_fds(control, 16, 1)
    if not fds:
        sys.exit("handler: /control.sock was closed before a connection came")
    return socket.socket(fileno=fds[0])


def read_head(stream) -> tuple[str, str, dict[str, str]]:
    """Method, target and headers (names in lower case)."""
    lines, size = [], 0
    while True:
        line = stream.readline(MAX_HEAD - size)
        size += len(line)
        if not line.endswith(b"\n"):
            if size >= MAX_HEAD:
                raise BadRequest("431 Request Header Fields Too Large", "the head is too large")
            raise EOFError  # the client left
        text = line.decode("latin-1").rstrip("\r\n")
        if not text:
            break
        lines.append(text)
    words = lines[0].split(" ") if lines else []
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        raise BadRequest("400 Bad Request", "the first line is no HTTP/1 request")
    headers = {}
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if not colon or not name or name != name.strip():
            raise BadRequest("400 Bad Request", "a header line is malformed")
        headers[name.lower()] = value.strip()
    return words[0], words[1], headers


def read_body(connection: socket.socket, stream, headers: dict[str, str]) -> int:
    """Reads the body to its end and returns its length; it is never held in memory."""
    if "transfer-encoding" in headers:
        raise BadRequest("411 Length Required", "send a Content-Length instead of chunks")
    text = headers.get("content-length", "0")
    if not (text.isascii() and text.isdigit()):
        raise BadRequest("400 Bad Request", "Content-Length is no number")
    if headers.get("expect", "").lower() == "100-continue":
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
    length = left = int(text)
    while left > 0:
        part = stream.read(min(left, CHUNK))
        if not part:
            raise EOFError
        left -= len(part)
    return length


def reply(connection: socket.socket, status: str, body: str, with_body: bool = True) -> None:
    data = body.encode()
    head = (
        f"HTTP/1.1 {status}\r\n"
        "Content-Type: text/plain; charset=utf-8\r\n"
        f"Content-Length: {len(data)}\r\n"
        "Connection: close\r\n\r\n"
    )
    connection.sendall(head.encode("latin-1") + (data if with_body else b""))


def finish(connection: socket.socket) -> None:
    """Reads what the client still sends: a close with unread bytes would reset the connection,
    and the reply might be lost with it."""
    connection.shutdown(socket.SHUT_WR)
    end = time.monotonic() + DRAIN_S
    while (left := end - time.monotonic()) > 0:
        connection.settimeout(left)
        if not connection.recv(CHUNK):
            return


def serve(connection: socket.socket) -> None:
    with connection.makefile("rb") as stream:
        try:
            method, target, headers = read_head(stream)
            length = read_body(connection, stream, headers)
        except BadRequest as problem:
            status, text = problem.args
            reply(connection, status, text + "\n")
            return
    # Your own code goes here.
    reply(
        connection,
        "200 OK",
        f"Hello from Python on {socket.gethostname()}.\n{method} {target}\nbody: {length} bytes\n",
        with_body=method != "HEAD",
    )


def main() -> None:
    with receive_connection() as connection:
        try:
            serve(connection)
            finish(connection)
        except (EOFError, OSError):
            pass  # the client left: nobody waits for an answer


main()
