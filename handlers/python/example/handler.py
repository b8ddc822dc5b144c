"""What is done here, before there is a request, costs no request anything."""

import socket


def handler(event, context):
    length = len(context.body)
    return (f"Hello from Python on {socket.gethostname()}.\n"
            f"{context.method} {context.target}\nbody: {length} bytes\n")
