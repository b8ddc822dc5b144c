"""Runs Python code as a handler of faasd: takes one connection, answers one HTTP request, exits.

What it runs is found before it waits for its connection, so that a container that was started
ahead has it behind it:

- /app/handler.py with `handler(event, context)`: events.py;
- /app/handler.py with a WSGI application, `application` or `app`: wsgi.py;
- no /app/handler.py: a script, which comes with the request: script.py.
"""

import atexit
import os
import socket
import sys

import http1

APP = "/app"


def find_what_to_run():
    """A function of a connection and its request."""
    if not os.path.exists(os.path.join(APP, "handler.py")):
        import script
        return script.answer
    sys.path.insert(1, APP)
    try:
        import handler as module
    except Exception as error:
        import traces
        traces.print_users(error)
        sys.exit(1)
    if callable(found := getattr(module, "handler", None)):
        import events
        return events.answers_of(found)
    for name in ("application", "app"):
        if callable(found := getattr(module, name, None)):
            import wsgi
            return wsgi.answers_of(found)
    sys.exit("/app/handler.py has neither handler(event, context) nor a WSGI application called "
             "application or app")


def receive_connection():
    """Blocks until faasd has a connection for this container."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as control:
        control.connect("/control.sock")
        message, fds, _, _ = socket.recv_fds(control, 16, 1)
    if not fds:
        sys.exit(0)  # faasd does not need this container any more
    if message != b"SNAPSHOT":
        return socket.socket(fileno=fds[0])
    import branch
    script = sys.modules.get("script")
    branch.freeze(fds[0], script.rehearse if script else http1.rehearse)
    return receive_connection()  # of a container that has begun from the snapshot


def serve(answer, connection):
    try:
        try:
            answer(connection, http1.Request(connection))
        except http1.BadRequest as problem:
            http1.reply_error(connection, *problem.args)
        http1.finish(connection)
    except (EOFError, ConnectionError, TimeoutError):
        pass  # the client left: nobody waits for an answer


def leave():
    """As Python ends, but for its tidying up of memory that goes with the container."""
    threading = sys.modules.get("threading")
    if threading:
        threading._shutdown()  # waits for those that are no daemons
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def main():
    answer = find_what_to_run()
    with receive_connection() as connection:
        serve(answer, connection)
    leave()


main()
