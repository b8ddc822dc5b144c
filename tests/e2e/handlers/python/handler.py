"""A handler of each kind: which one, MODE says."""

import asyncio
import os

import greeting  # a package that requirements.txt names
import second

MODE = os.environ["MODE"]


def answer(event, context):
    if event == "fail":
        raise ValueError("no such luck")
    if event == "teapot":
        context.status = 418
        context.reply_headers["X-Kind"] = "tea"
        return None
    return {"event": repr(event), "method": context.method, "path": context.path,
            "query": context.query, "agent": context.headers.get("user-agent"),
            "client": context.client, "package": greeting.text(), "file": second.text()}


if MODE == "event":
    handler = answer
elif MODE == "async":
    async def handler(event, context):
        await asyncio.sleep(0)
        return answer(event, context)
elif MODE == "value":
    def handler(event, context):
        return {"text": "Grüße", "bytes": b"\0\1", "number": 7, "none": None, "list": [1, "a"],
                "set": {1}}[event]
elif MODE == "missing":
    import no_such_module
elif MODE == "ends":
    import atexit
    import threading

    def handler(event, context):
        atexit.register(print, "at the end")
        threading.Timer(0.05, print, ["from a thread"]).start()
        print("at once", end="")
elif MODE == "branch":
    from branches import handler
elif MODE == "wsgi":
    def application(environ, start_response):
        body = environ["wsgi.input"].read()
        if environ["PATH_INFO"] == "/fail":
            raise ValueError("no such luck")
        start_response("201 Created", [("Content-Type", "text/plain"), ("X-Kind", "wsgi")])
        return [f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']} {environ['QUERY_STRING']} "
                f"{environ['HTTP_X_WORD']} ".encode(), body]
