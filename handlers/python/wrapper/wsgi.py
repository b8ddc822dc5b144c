"""A WSGI application (PEP 3333) for one request: Flask, Django, Bottle and others."""

import io
import sys
from urllib.parse import unquote_to_bytes
from wsgiref.handlers import SimpleHandler

import http1


class _Handler(SimpleHandler):
    http_version = "1.1"
    server_software = None

    def cleanup_headers(self):
        super().cleanup_headers()
        self.headers["Connection"] = "close"


def environment_of(connection, request):
    server, port = connection.getsockname()[:2]
    environ = {
        "REQUEST_METHOD": request.method, "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(request.path).decode("latin-1"),
        "QUERY_STRING": request.query_string, "SERVER_NAME": server, "SERVER_PORT": str(port),
        "SERVER_PROTOCOL": "HTTP/1.1", "REMOTE_ADDR": connection.getpeername()[0],
        "CONTENT_LENGTH": str(len(request.body)),
    }
    for name, value in request.headers.items():
        if name == "content-type":
            environ["CONTENT_TYPE"] = value
        elif name not in ("content-length", "transfer-encoding", "proxy"):
            environ["HTTP_" + name.upper().replace("-", "_")] = value
    return environ


def answers_of(application):
    def answer(connection, request):
        with connection.makefile("wb") as out:
            handler = _Handler(io.BytesIO(request.body), out, sys.stderr,
                               environment_of(connection, request), multithread=False,
                               multiprocess=False)
            handler.run(application)  # an error is a 500 to the client, and in the log
    return answer
