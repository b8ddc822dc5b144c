"""Images on our base images, and scripts on them: what a request becomes, and what an answer."""

import http.client
import json
import os
import shutil
import tempfile
import unittest
import zipfile

import docker_engine
import faasd_process
from faasd_process import FaasdTestCase, Reply, connect, read_to_end

HANDLERS = os.path.join(faasd_process.ROOT, "handlers")
EXAMPLES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "handlers")
AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"
JSON = {"Content-Type": "application/json"}


def bases(language):
    found = [docker_engine.Base(f"faas/{language}", HANDLERS, f"{language}/Dockerfile")]
    if language == "javascript":
        found.append(found[0]._replace(name="faas/javascript:build", target="build"))
    return found


def make_wheel(directory):
    """What `pip wheel` makes of a package with one module."""
    info = "greeting-1.0.dist-info"
    with zipfile.ZipFile(os.path.join(directory, "greeting-1.0-py3-none-any.whl"), "w") as wheel:
        for name, text in (("greeting.py", "def text():\n    return 'from a package'\n"),
                           (f"{info}/METADATA", "Metadata-Version: 2.1\nName: greeting\n"
                                                "Version: 1.0\n"),
                           (f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\n"
                                             "Root-Is-Purelib: true\nTag: py3-none-any\n"),
                           (f"{info}/RECORD", "")):
            wheel.writestr(zipfile.ZipInfo(name), text)  # of a fixed time: the same each time


class OnABase(FaasdTestCase):
    """Daemons, and the two images of a language: the base, and one built on it."""

    language = ""

    @classmethod
    def setUpClass(cls):
        directory = cls.enterClassContext(tempfile.TemporaryDirectory(prefix="h-"))
        context = os.path.join(directory, "context")
        shutil.copytree(os.path.join(EXAMPLES, cls.language), context)
        cls.complete(context)
        engine = docker_engine.DockerEngine(os.path.join(directory, "engine"))
        cls.addClassCleanup(engine.stop)
        try:
            cls.make_images(engine, context)
        except docker_engine.Unavailable as reason:
            raise unittest.SkipTest(f"no Docker engine can run here: {reason}") from None
        engine.stop()

    @classmethod
    def make_images(cls, engine, context):
        cls.base_tar = str(engine.image_tar(HANDLERS, f"{cls.language}/Dockerfile"))
        cls.archive = str(engine.image_tar(context, bases=bases(cls.language)))

    @classmethod
    def complete(cls, context):
        """What of a build's context is not in the repository."""
        if cls.language == "python":
            os.mkdir(os.path.join(context, "wheels"))
            make_wheel(os.path.join(context, "wheels"))
        else:
            shutil.copy(AUTHORITIES, os.path.join(context, "authorities.pem"))

    def ask(self, address, target="/", body=None, headers=None):
        connection = http.client.HTTPConnection(address, timeout=faasd_process.PATIENCE_S)
        self.addCleanup(connection.close)
        connection.request("GET" if body is None else "POST", target, body, headers or {})
        reply = connection.getresponse()
        reply.text = reply.read()
        return reply

    def ask_json(self, *arguments, status=200, **options):
        reply = self.ask(*arguments, **options)
        self.assertEqual(reply.status, status, reply.text)
        return json.loads(reply.text)


class Events:
    """handler(event, context), in any language. `shown` is how the language writes a value."""

    def deploy(self, faasd, mode):
        return faasd.deploy(mode, self.archive, "-e", f"MODE={mode}")

    def test_are_the_body_or_the_query_of_a_request(self):
        faasd = self.start()
        for mode in ("event", "async"):
            address = self.deploy(faasd, mode)
            for body, headers, event in (
                    (None, {}, {"a": "1", "b": ""}),
                    (b'{"n": [1, null]}', JSON, {"n": [1, None]}),
                    (b"plain", {}, "plain"),
                    ("Grüße".encode(), {"Content-Type": "text/plain"}, "Grüße"),
                    (iter([b"in ", b"chunks"]), {}, "in chunks")):
                with self.subTest(mode=mode, event=event):
                    answer = self.ask_json(address, "/a/path?a=1&b=", body,
                                           {"User-Agent": "tests", **headers})
                    self.assertEqual(answer, {
                        "event": self.shown(event), "method": "POST" if body else "GET",
                        "path": "/a/path", "query": {"a": "1", "b": ""}, "agent": "tests",
                        "client": address, "package": self.package,
                        "file": "from a second file"})

    def test_that_are_no_json_though_they_say_so_are_the_clients_fault(self):
        address = self.deploy(self.start(), "event")
        answer = self.ask_json(address, "/", b"{not", JSON, status=400)
        self.assertEqual(answer["code"], "bad_json")

    def test_that_fail_are_a_500_and_the_log_says_why(self):
        faasd = self.start()
        address = self.deploy(faasd, "event")
        answer = self.ask_json(address, "/", b"fail", status=500)
        self.assertEqual(answer["code"], "handler_failed")
        self.assertNotIn("luck", answer["error"])
        faasd.log.wait_until(lambda: any("no such luck" in line.get("text", "")
                                         for line in faasd.function_log("event")), "no traceback")

    def test_choose_their_status_and_headers(self):
        reply = self.ask(self.deploy(self.start(), "event"), "/", b"teapot")
        self.assertEqual((reply.status, reply.getheader("X-Kind"), reply.text), (418, "tea", b""))

    def test_are_answered_with_what_is_returned(self):
        address = self.deploy(self.start(), "value")
        for name, media_type, body in (
                ("text", "text/plain; charset=utf-8", "Grüße".encode()),
                ("bytes", "application/octet-stream", b"\0\1"),
                ("number", "application/json", b"7\n"),
                ("none", "text/plain; charset=utf-8", b""),
                ("list", "application/json", None)):
            with self.subTest(name):
                reply = self.ask(address, "/", name.encode())
                self.assertEqual((reply.status, reply.getheader("Content-Type")),
                                 (200, media_type))
                if body is None:
                    self.assertEqual(json.loads(reply.text), [1, "a"])
                else:
                    self.assertEqual(reply.text, body)
        self.assertEqual(self.ask(address, "/", self.unfit).status, 500)


class PythonEvents(Events, OnABase):
    language = "python"
    package = "from a package"
    unfit = b"set"
    shown = staticmethod(repr)

    def test_may_be_a_wsgi_application_instead(self):
        faasd = self.start()
        address = self.deploy(faasd, "wsgi")
        reply = self.ask(address, "/a%20b?c=d", b"body", {"X-Word": "word"})
        self.assertEqual((reply.status, reply.getheader("X-Kind")), (201, "wsgi"))
        self.assertEqual(reply.text, b"POST /a b c=d word body")
        self.assertEqual(self.ask(address, "/fail").status, 500)

    def test_of_a_head_without_end_are_refused(self):
        address = self.deploy(self.start(), "event")
        with connect(address) as sock:
            try:
                sock.sendall(b"GET / HTTP/1.1\r\nX: " + b"x" * 200_000)
            except ConnectionError:
                pass  # it has heard enough
            self.assertEqual(Reply(read_to_end(sock)).status, 431)


    def logged(self, faasd, name, lines):
        faasd.log.wait_until(lambda: [line.get("text") for line in faasd.function_log(name)][
            :len(lines)] == lines, lambda: str(faasd.function_log(name)))

    def test_that_fail_log_their_traceback_from_their_first_line_on(self):
        faasd = self.start()
        self.ask(self.deploy(faasd, "async"), "/", b"fail")
        self.logged(faasd, "async", [
            "Traceback (most recent call last):", '  File "/app/handler.py", line 29, in handler',
            "    return answer(event, context)"])
        self.ask(self.deploy(faasd, "value"), "/", b"set")
        self.logged(faasd, "value", ["TypeError: the returned value cannot be sent as JSON: "
                                     "Object of type set is not JSON serializable"])

    def test_end_as_python_ends(self):
        faasd = self.start()
        self.assertEqual(self.ask(self.deploy(faasd, "ends")).status, 200)
        self.logged(faasd, "ends", ["at oncefrom a thread", "at the end"])

    def test_that_cannot_be_loaded_log_why_from_their_first_line_on(self):
        faasd = self.start()
        address = self.deploy(faasd, "missing")
        self.assertEqual(self.ask(address).status, 502)
        self.logged(faasd, "missing", [
            "Traceback (most recent call last):", '  File "/app/handler.py", line 35, in <module>',
            "    import no_such_module"])


class JavascriptEvents(Events, OnABase):
    language = "javascript"
    package = "007"
    unfit = b"big"

    @staticmethod
    def shown(value):
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False)

    def test_that_fail_log_their_own_frames_alone(self):
        faasd = self.start()
        address = self.deploy(faasd, "async")
        self.ask(address, "/", b"fail")
        faasd.log.wait_until(lambda: [
            line.get("text") for line in faasd.function_log("async")] == [
                "RangeError: no such luck", "    at answer (file:///app/handler.mjs:7:31)",
                "    at async (file:///app/handler.mjs:38:12)"],
            lambda: str(faasd.function_log("async")))

    def test_may_be_a_request_listener_instead(self):
        address = self.deploy(self.start(), "listener")
        reply = self.ask(address, "/a%20b?c=d", b"body", {"X-Word": "word"})
        self.assertEqual((reply.status, reply.getheader("X-Kind")), (201, "listener"))
        self.assertEqual(reply.text, b"POST /a%20b?c=d word body")


class Scripts:
    """A script that comes with its request, on the base image itself."""

    def run_script(self, address, code, given=None, status=200):
        return self.ask_json(address, "/", json.dumps({"code": code, "input": given,
                                                       "name": self.name}), JSON, status=status)

    def test_return_what_they_return(self):
        address = self.deploy_base()
        for code, given, answer in self.GOOD:
            with self.subTest(code):
                self.assertEqual(self.run_script(address, code, given), answer)

    def test_that_fail_say_where(self):
        address = self.deploy_base()
        for code, error, line in self.BAD:
            with self.subTest(code):
                answer = self.run_script(address, code, status=500)
                self.assertRegex(answer["error"], error)
                self.assertEqual(answer.get("line"), line, answer)
                self.assertNotIn("/usr/lib/faas", json.dumps(answer))

    def test_that_are_none_are_the_clients_fault(self):
        address = self.deploy_base()
        for body in (b"", b"no JSON", b"[]", b"null", b"{}", b'{"code": 7}',
                     b'{"code": "", "name": 7}', b"[" * 100_000):
            with self.subTest(body[:30]):
                answer = self.ask_json(address, "/", body, JSON, status=400)
                self.assertEqual(answer["code"], "bad_script")

    def test_are_not_compiled_where_the_language_is_not(self):
        answer = self.ask_json(self.deploy_base(), "/compile", b'{"code": "1"}', JSON, status=404)
        self.assertEqual(answer["code"], "not_found")

    def test_print_into_the_log_and_not_into_their_answer(self):
        faasd = self.start()
        address = self.deploy_base(faasd)
        self.assertEqual(self.run_script(address, self.PRINTS), {"data": 1, "type": "number"})
        faasd.log.wait_until(lambda: [line.get("text") for line in faasd.function_log("base")] == [
            "one", "two"], lambda: str(faasd.function_log("base")))

    def deploy_base(self, faasd=None):
        return (faasd or self.start()).deploy("base", self.base_tar)


class PythonScripts(Scripts, OnABase):
    language = "python"
    name = "mine.py"
    PRINTS = "print('one')\nprint('two')\nreturn 1"
    GOOD = (
        ("return event['a'] + input['a']", {"a": 2}, {"data": 4, "type": "number"}),
        ("return 'Grüße'", None, {"data": "Grüße", "type": "string"}),
        ("return {'a': [1.5, None, True]}", None, {"data": {"a": [1.5, None, True]},
                                                   "type": "json"}),
        ("return True", None, {"data": True, "type": "json"}),
        ("x = 1", None, {}),
        ("", None, {}),
        ("for i in range(5):\n    return f'Line {i}'", None, {"data": "Line 0",
                                                             "type": "string"}),
        ('text = """a\n  b\n"""\nreturn text', None, {"data": "a\n  b\n", "type": "string"}),
        ("import asyncio\nawait asyncio.sleep(0)\nreturn 1", None, {"data": 1, "type": "number"}),
        ("import asyncio\nawait asyncio.sleep(0)", None, {}),
        ("count: int = 1\ndef more():\n    global count\n    count += 1\nmore()\nreturn count",
         None, {"data": 2, "type": "number"}),
        ("import functools\n@functools.cache\ndef f(n): return 1 if n == 0 else n * f(n - 1)\n"
         "return f(5)", None, {"data": 120, "type": "number"}),
        ("def g():\n    yield 1\nreturn list(g())", None, {"data": [1], "type": "json"}),
        ("from __future__ import annotations\nfrom math import *\nreturn floor(pi)", None,
         {"data": 3, "type": "number"}),
        ("import pickle\nclass A: pass\nreturn type(pickle.loads(pickle.dumps(A()))).__name__",
         None, {"data": "A", "type": "string"}),
        ("deep = []\nfor _ in range(400): deep = [deep]\nreturn len(str(deep))", None,
         {"data": 802, "type": "number"}),
        ("return len(event)", "x" * 1_000_000, {"data": 1_000_000, "type": "number"}),
        ("return 'x' * 1_000_000", None, {"data": "x" * 1_000_000, "type": "string"}),
        ("import sys\nsys.exit()", None, {}),
        ("\ufeff# -*- coding: utf-8 -*-\nreturn 1", None, {"data": 1, "type": "number"}),
        ("import sys\nreturn sys.getrecursionlimit()", None, {"data": 1000, "type": "number"}),
    )
    BAD = (
        ("x = 1\nx / 0", "^ZeroDivisionError", 2),
        ("def f():\n    raise ValueError('bad')\nreturn f()", "^ValueError: bad$", 2),
        ("x = = 1", "^SyntaxError", 1),
        ("ok = 1\nbreak\nreturn 1", "^SyntaxError", 2),
        ("yield 1\nreturn 2", "^SyntaxError", 1),
        ("\ufeffx = 1\nx = = 2", "^SyntaxError", 2),
        ("return {1}", "^TypeError: the returned value cannot be sent as JSON: .* set ", None),
        ("return [b'']", "^TypeError: the returned value .* bytes ", None),
        ("a = []\na.append(a)\nreturn a", "^ValueError: the returned value .* Circular", None),
        ("return float('nan')", "^ValueError: the returned value cannot be sent as JSON", None),
        ("import json\njson.dumps = json.JSONEncoder.encode = lambda *_: '{}'\nreturn {1}",
         "^TypeError: the returned value", None),
        ("import sys\nsys.exit(3)", "exited with 3", None),
        ("raise KeyboardInterrupt", "^KeyboardInterrupt", 1),
        ("import no_such_module", "^ModuleNotFoundError", 1),
        ("def f(): f()\nf()", "^RecursionError", 1),
    )


class JavascriptScripts(Scripts, OnABase):
    language = "javascript"
    name = "mine.js"
    PRINTS = "console.log('one'); console.log('two'); return 1"
    GOOD = (
        ("return event.a + input.a", {"a": 2}, {"data": 4, "type": "number"}),
        ("return 'Grüße'", None, {"data": "Grüße", "type": "string"}),
        ("return {a: [1.5, null, true]}", None, {"data": {"a": [1.5, None, True]},
                                                 "type": "json"}),
        ("return null", None, {"data": None, "type": "json"}),
        ("const x = 1", None, {}),
        ("", None, {}),
        ("const data = event.items.filter(x => x > 50); return {count: data.length};",
         {"items": [20, 60, 90]}, {"data": {"count": 2}, "type": "json"}),
        ("const text = `a\n  b`; return text", None, {"data": "a\n  b", "type": "string"}),
        ("await new Promise((r) => setTimeout(r, 1)); return 1", None,
         {"data": 1, "type": "number"}),
        ("const { sep } = require('node:path'); return sep", None, {"data": "/", "type": "string"}),
        ("const { sep } = await import('node:path'); return sep", None,
         {"data": "/", "type": "string"}),
        ("setTimeout(() => console.log('later'), 1)", None, {}),
        ("const input = event.a; return input", {"a": 1}, {"data": 1, "type": "number"}),
        ("return 1 // the end", None, {"data": 1, "type": "number"}),
        ("return event.length", "x" * 1_000_000, {"data": 1_000_000, "type": "number"}),
        ("return 'x'.repeat(1_000_000)", None, {"data": "x" * 1_000_000, "type": "string"}),
        ("process.exit()", None, {}),
        ("\ufeffreturn 1", None, {"data": 1, "type": "number"}),
        ("#!/usr/bin/env node\nreturn 1", None, {"data": 1, "type": "number"}),
    )
    BAD = (
        ("let x = 1;\nx.y.z", "^TypeError", 2),
        ("const f = () => {\n  throw new RangeError('bad');\n};\nf()", "^RangeError: bad$", 2),
        ("let x = = 1", "^SyntaxError", 1),
        ("}); (async () => {", "^SyntaxError", 1),
        ("await 1 }, async () => {", "^SyntaxError: a bracket closes", None),
        ("return 1n", "^TypeError: the returned value cannot be sent as JSON: .*BigInt", None),
        ("return () => 1", "the returned value .* JSON cannot express", None),
        ("const a = {}; return a.a = a", "the returned value .* circular", None),
        ("throw {code: 5, a: [1]}", r"^thrown: { code: 5, a: \[ 1 \] }$", None),
        ("process.exit(3)", "exited with 3", None),
        ("throw 'a word'", "thrown: a word", None),
        ("setTimeout(() => {\n  throw new Error('late') }, 1)", "^Error: late$", 2),
        ("Promise.reject(new Error('lost'))", "^Error: lost$", 1),
        ("require('no-such-module')", "Cannot find module", 1),
        ("Object.prototype.toJSON = JSON.stringify = () => 7; null.a", "^TypeError", 1),
    )
    # (code, error, line, column, what of the traceback)
    PLACED = (
        ("throw new Error('first')", "^Error: first$", 1, 7, "mine.js:1:7"),
        ("\ufeffthrow new Error('mark')", "^Error: mark$", 1, 7, "mine.js:1:7"),
        ("#!/usr/bin/node\nthrow new Error('second')", "^Error: second$", 2, 7, "mine.js:2:7"),
        ("const f = () => {\n  null.a\n}\nf()", "^TypeError", 2, 8, "mine.js:4:1"),
        ("import fs from 'node:fs'", "^SyntaxError", 1, 1, "\nimport fs from 'node:fs'\n^^^^^^\n"),
        ("let x = = 1", "^SyntaxError", 1, 9, "\nlet x = = 1\n        ^\n"),
        ("\n  let y = = 1", "^SyntaxError", 2, 11, "\n  let y = = 1\n          ^\n"),
        ("await 1\nlet x = = 1", "^SyntaxError", 2, 9, "\nlet x = = 1\n        ^\n"),
        ("return 1 })(); (async () => {", "^SyntaxError: Unexpected", 1, 10, "mine.js:1"),
        ("if (event) {}\n}\nreturn 1", "^SyntaxError: Unexpected", 2, 1, "mine.js:2"),
        ("await 1 })(); (async () => {", "^SyntaxError: Unexpected", 1, 10, "mine.js:1"),
        ("function f() {\n  return 1", "^SyntaxError: Unexpected end", 2, 11, "mine.js:2"),
        ("await 1; [", "^SyntaxError: Unexpected end", 1, 11, "mine.js:1"),
    )

    def test_that_fail_have_their_place_and_nothing_of_ours(self):
        address = self.deploy_base()
        for code, error, line, column, part in self.PLACED:
            with self.subTest(code):
                answer = self.run_script(address, code, status=500)
                self.assertRegex(answer["error"], error)
                self.assertEqual((answer.get("line"), answer.get("column")), (line, column))
                self.assertIn(part, answer["traceback"])
                self.assertNotRegex(answer["traceback"], r"/usr/lib/faas|\[async|\n\}[\])]")

    def test_print_traces_of_their_own_frames(self):
        faasd = self.start()
        address = self.deploy_base(faasd)
        self.run_script(address, "console.log(new Error('now')); await 1;\n"
                                 "setTimeout(() => console.log(new Error('late')), 1)")
        faasd.log.wait_until(lambda: [line.get("text") for line in faasd.function_log("base")] == [
            "Error: now", "    at /app/mine.js:1:13",
            "Error: late", "    at Timeout._onTimeout (/app/mine.js:2:30)"],
            lambda: str(faasd.function_log("base")))


if __name__ == "__main__":
    unittest.main()
