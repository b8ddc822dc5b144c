"""As much of HTTP/1.1 as one request and its reply need; RFC 9112. (http.server alone would double
the start of Python.)"""

import json
import socket
import sys
import time

MAX_HEAD = 64 * 1024  # what usual servers accept
MAX_BODY = 64 << 20  # it is held in memory, which --memory limits as well
CHUNK = 64 * 1024
DEEP = 4000  # what JSON may nest; each level takes some hundred bytes of the stack
DRAIN_S = 1.0  # a client that still sends after that loses the tail of its upload
REASONS = {200: "OK", 201: "Created", 202: "Accepted", 204: "No Content", 301: "Moved Permanently",
           302: "Found", 303: "See Other", 304: "Not Modified", 307: "Temporary Redirect",
           308: "Permanent Redirect", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden",
           404: "Not Found", 405: "Method Not Allowed", 409: "Conflict", 410: "Gone",
           413: "Content Too Large", 415: "Unsupported Media Type", 422: "Unprocessable Content",
           429: "Too Many Requests", 431: "Request Header Fields Too Large",
           500: "Internal Server Error", 501: "Not Implemented", 502: "Bad Gateway",
           503: "Service Unavailable", 504: "Gateway Timeout"}


def _deeply(convert, value):
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(limit + DEEP)
    try:
        return convert(value)
    finally:
        sys.setrecursionlimit(limit)


def from_json(text):
    return _deeply(json.loads, text)


# Made before there is any code of a request, which may put something else in its place.
_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode


def to_json(value):
    try:
        return _deeply(_encode, value)
    except (RecursionError, TypeError, ValueError) as problem:
        kind = next(each for each in (RecursionError, TypeError, ValueError)
                    if isinstance(problem, each))
        raise kind(f"the returned value cannot be sent as JSON: {problem}") from None


class BadRequest(Exception):
    """The request cannot be served; the arguments are the status, a line for people, a code."""


class Request:
    """One request, read to its end."""

    def __init__(self, connection):
        self.connection = connection
        self._stream = connection.makefile("rb")
        self.method, self.target, self.headers = self._read_head()
        self.path, _, self.query_string = self.target.partition("?")
        self.body = self._read_body()

    @property
    def media_type(self):
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    def _line(self, most):
        line = self._stream.readline(most)
        if line.endswith(b"\n"):
            return line.decode("latin-1").rstrip("\r\n")
        if len(line) < most:
            raise EOFError  # the client left
        raise BadRequest(431, "the head of the request is too large", "head_too_large")

    def _read_head(self):
        left = MAX_HEAD
        words = self._line(left).split(" ")
        if len(words) != 3 or not words[2].startswith("HTTP/1."):
            raise BadRequest(400, "the first line is no HTTP/1 request", "bad_request")
        headers = {}
        while line := self._line(left):
            left = max(left - len(line), 1)
            name, colon, value = line.partition(":")
            if not colon or not name or name != name.strip():
                raise BadRequest(400, "a header line is malformed", "bad_request")
            name, value = name.lower(), value.strip()
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        return words[0], words[1], headers

    def _read_body(self):
        coding = self.headers.get("transfer-encoding")
        length = self.headers.get("content-length")
        if coding is not None and (length is not None or coding.lower() != "chunked"):
            raise BadRequest(400, "one length of the body, and chunked alone, is understood",
                             "bad_request")
        if self.headers.get("expect", "").lower() == "100-continue":
            self.connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        if coding is None:
            return self._exactly(self._number(length or "0", 10), 0)
        parts, size = [], 0
        while length := self._number(self._line(MAX_HEAD).partition(";")[0].strip(), 16):
            parts.append(self._exactly(length, size))
            size += length
            if self._line(MAX_HEAD):
                raise BadRequest(400, "a chunk is longer than it says", "bad_request")
        while self._line(MAX_HEAD):
            pass  # trailers
        return b"".join(parts)

    @staticmethod
    def _number(text, base):
        if not text or len(text) > 15 or text.lower().strip("0123456789abcdef"[:base]):
            raise BadRequest(400, "the length of the body is no number", "bad_request")
        return int(text, base)

    def _exactly(self, length, before):
        if before + length > MAX_BODY:
            raise BadRequest(413, f"the body is larger than {MAX_BODY} bytes", "body_too_large")
        data = self._stream.read(length)
        if len(data) < length:
            raise EOFError
        return data


def reply(connection, status, headers, body, with_body=True):
    lines = [f"HTTP/1.1 {status} {REASONS.get(status, '')}",
             *(f"{name}: {value}" for name, value in headers.items()),
             f"Content-Length: {len(body)}", "Connection: close"]
    if any("\r" in line or "\n" in line for line in lines):
        raise ValueError("a header of the reply has a line break in it")
    head = "\r\n".join([*lines, "", ""]).encode("latin-1")
    connection.sendall(head + (body if with_body else b""))


def reply_json(connection, status, value, headers=None, with_body=True):
    body = to_json(value).encode(errors="replace")
    reply(connection, status, {**(headers or {}), "Content-Type": "application/json"}, body + b"\n",
          with_body)


def reply_error(connection, status, message, code):
    reply_json(connection, status, {"error": message, "code": code})


def rehearse(answer=lambda connection, request: reply_json(connection, 200, {}), body=b"{}"):
    """One request without a client: much in Python and its libraries is done at the first time."""
    ours, client = socket.socketpair()
    with ours, client:
        client.sendall(b"POST /?a=b HTTP/1.1\r\nContent-Type: application/json\r\n"
                       b"Content-Length: %d\r\n\r\n" % len(body) + body)
        client.shutdown(socket.SHUT_WR)
        answer(ours, Request(ours))
        finish(ours)


def finish(connection):
    """Reads what the client still sends: a close with unread bytes would reset the connection,
    and the reply might be lost with it."""
    connection.shutdown(socket.SHUT_WR)
    end = time.monotonic() + DRAIN_S
    while (left := end - time.monotonic()) > 0:
        connection.settimeout(left)
        if not connection.recv(CHUNK):
            return
