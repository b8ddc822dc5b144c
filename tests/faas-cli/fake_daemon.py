"""A server that speaks faasd's HTTP interface as far as a test tells it to.

It runs in threads of the test, on a Unix socket in a directory of its own or on a TCP port that the
kernel chooses. Every request is recorded with what was on the wire: how the body was framed, how
many bytes came, and whether its end came.
"""

import json
import os
import socket
import threading


class Request:
    """What one connection asked."""

    def __init__(self, connection):
        self.connection = connection
        self.file = connection.makefile("rb")
        self.method = self.target = ""
        self.headers = {}
        self.body_bytes = 0
        self.body_complete = False

    def read_head(self):
        line = self.file.readline().decode("latin-1")
        if not line:
            return False
        self.method, self.target, _ = line.split()
        while True:
            line = self.file.readline().decode("latin-1").rstrip("\r\n")
            if not line:
                return True
            name, value = line.split(":", 1)
            self.headers[name.lower()] = value.strip()

    def _take(self, size):
        while size > 0:
            piece = self.file.read(min(size, 1 << 20))
            if not piece:
                return False
            self.body_bytes += len(piece)
            size -= len(piece)
        return True

    def read_body(self):
        """Reads to the end of the body, or of the connection."""
        if self.headers.get("transfer-encoding") == "chunked":
            while True:
                line = self.file.readline()
                if not line:
                    return
                size = int(line, 16)
                if not self._take(size):
                    return
                self.file.readline()
                if size == 0:
                    self.body_complete = True
                    return
        self.body_complete = self._take(int(self.headers.get("content-length", "0")))

    def read_some(self, size):
        """At least `size` bytes of a chunked body, in whole chunks."""
        while self.body_bytes < size:
            chunk = int(self.file.readline(), 16)
            if chunk == 0 or not self._take(chunk):
                return
            self.file.readline()

    def answer(self, status, body, content_type="application/json"):
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
        head = (f"HTTP/1.1 {status} X\r\nContent-Type: {content_type}\r\n"
                f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n")
        self.connection.sendall(head.encode() + body)

    def refuse(self, status, code, error):
        self.answer(status, {"error": error, "code": code})


class FakeDaemon:
    """Answers with `handlers[method]`, a function of a Request; use as a context manager."""

    def __init__(self, directory=None, **handlers):
        if directory is None:
            self.listener = socket.create_server(("127.0.0.1", 0))
            self.flags = ["--url", "http://127.0.0.1:%d" % self.listener.getsockname()[1]]
        else:
            path = os.path.join(directory, "faasd.sock")
            self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.listener.bind(path)
            self.listener.listen()
            self.flags = ["--socket", path]
        self.handlers = {"GET": self._no_such_function}
        self.handlers.update(handlers)
        self.requests = []
        self.threads = []
        self.acceptor = threading.Thread(target=self._accept, daemon=True)

    @staticmethod
    def _no_such_function(request):
        request.refuse(404, "not_found", "no function has this name")

    def __enter__(self):
        self.acceptor.start()
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.acceptor.join()
        for thread in self.threads:
            thread.join()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self.threads.append(thread)
            thread.start()

    def _serve(self, connection):
        with connection:
            request = Request(connection)
            if request.read_head():
                self.requests.append(request)
                self.handlers[request.method](request)
            request.file.close()

    def last(self, method):
        return [request for request in self.requests if request.method == method][-1]
