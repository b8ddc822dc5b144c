"""`handler(event, context)`: a request as a value, and a value as its reply.

event: the body, as JSON if its Content-Type says so, else as text, as bytes if it is no UTF-8;
without a body, the parameters of the query. What is returned is the body of the reply: str as text,
bytes as they are, anything else as JSON. `async def handler` works too.
"""

import inspect
import urllib.parse

import http1
import traces


class Context:
    """The request, and what its reply should have besides a body."""

    def __init__(self, request):
        self.method = request.method
        self.target = request.target  # path and query, as they were sent
        self.path = request.path
        self.query = dict(urllib.parse.parse_qsl(request.query_string, keep_blank_values=True))
        self.headers = request.headers  # names in lower case
        self.body = request.body
        self.client = request.connection.getpeername()[0]
        self.status = 200
        self.reply_headers = {}


def event_of(request, context):
    if not request.body:
        return context.query
    if request.media_type == "application/json" or request.media_type.endswith("+json"):
        try:
            return http1.from_json(request.body)
        except (ValueError, RecursionError) as problem:
            raise http1.BadRequest(400, f"the body is no JSON: {problem}", "bad_json") from None
    try:
        return request.body.decode()
    except UnicodeDecodeError:
        return request.body


def call(handler, event, context):
    result = handler(event, context)
    if inspect.isawaitable(result):
        import asyncio

        async def awaited():
            return await result
        return asyncio.run(awaited())
    return result


def answers_of(handler):
    def answer(connection, request):
        context = Context(request)
        event = event_of(request, context)
        try:
            result = call(handler, event, context)
            body, media_type = body_of(result)
        except Exception as error:
            traces.print_users(error)
            # The text of an error may have secrets in it: it goes to the log, not to a client.
            http1.reply_error(connection, 500, "the handler failed; its log says why",
                              "handler_failed")
            return
        headers = {"Content-Type": media_type, **context.reply_headers}
        http1.reply(connection, context.status, headers, body, request.method != "HEAD")
    return answer


def body_of(result):
    if result is None:
        return b"", "text/plain; charset=utf-8"
    if isinstance(result, str):
        return result.encode(), "text/plain; charset=utf-8"
    if isinstance(result, (bytes, bytearray, memoryview)):
        return bytes(result), "application/octet-stream"
    return (http1.to_json(result) + "\n").encode(errors="replace"), "application/json"
