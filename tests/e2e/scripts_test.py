"""Scripts over HTTP, as go-faas's clients send them: upload, run, run-now, streams."""

import json
import socket
import sys
import threading
import unittest

import machine
from faasd_process import PATIENCE_S, UnixConnection
from script_case import ScriptTestCase, shown

# Of each language the same; what is different stands in it.
PYTHON = {
    "string": ('return "text"', "text", "string"),
    "number": ("return 1 + 1.5", 2.5, "number"),
    "a large number": ("return 2 ** 70", 2 ** 70, "number"),
    "json": ('return {"a": [1, None, True]}', {"a": [1, None, True]}, "json"),
    "a boolean": ("return False", False, "json"),
    "the input": ('return [event["a"], input["b"]]', [1, "Grüße\u2028"], "json"),
    "print and return": ('print("printed"); return 1', 1, "number"),
    "print alone": ('print("a")\nprint("b")', "a\nb", "text"),
    "nothing at all": ("pass", "", "text"),
    "await": ("import asyncio\nawait asyncio.sleep(0)\nreturn 5", 5, "number"),
    "an exit": ('import sys\nprint("bye")\nsys.exit()', "bye", "text"),
    "an early end": ('import os\nprint("bye")\nos._exit(0)', "bye", "text"),
    "a thread that is at work": ("import signal, threading\n"
                                 "threading.Thread(target=lambda: signal.sigwait([10])).start()\n"
                                 "return 1", 1, "number"),
}
PYTHON_FAILS = {
    "an exception": ("x = 1\nraise ValueError('no luck')", "no luck", 2),
    "bad syntax": ("x = 1\n\ndef (", "SyntaxError", 3),
    "an exit code": ("import sys\nsys.exit(7)", "7", None),
    "an early exit code": ("import os\nos._exit(7)", "7", None),
    "what is no JSON": ("return {1, 2}", "returned value cannot be sent as JSON", None),
    "too deep": ("v = []\nfor _ in range(100_000): v = [v]\nreturn v", "RecursionError", None),
}
JAVASCRIPT = {
    "string": ('return "text"', "text", "string"),
    "number": ("return 1 + 1.5", 2.5, "number"),
    "json": ("return {a: [1, null, true]}", {"a": [1, None, True]}, "json"),
    "the input": ("return [event.a, input.b]", [1, "Grüße\u2028"], "json"),
    "print and return": ('console.log("printed"); return 1', 1, "number"),
    "print alone": ('console.log("a")\nconsole.log("b")', "a\nb", "text"),
    "nothing at all": ("", "", "text"),
    "await": ("return await new Promise((done) => setTimeout(done, 1, 5))", 5, "number"),
    "an exit": ('console.log("bye"); process.exit()', "bye", "text"),
    "a timer that is at work": ("setInterval(() => 0, 1000); return 1", 1, "number"),
}
JAVASCRIPT_FAILS = {
    "an exception": ("let x = 1;\nthrow new Error('no luck')", "no luck", 2),
    "bad syntax": ("let x = 1;\n\nfunction (", "SyntaxError", 3),
    "an exit code": ("process.exit(7)", "7", None),
    "what is no JSON": ("return () => 1", "returned value cannot be sent as JSON", None),
    "too deep": ("let v = []; for (let i = 0; i < 100_000; ++i) v = [v]; return v",
                 "RangeError", None),
}
INPUT = {"a": 1, "b": "Grüße\u2028"}


class LanguageTest(ScriptTestCase):
    """Each language's results, and how its scripts fail."""

    languages = ("python", "javascript")

    def test_the_result_is_what_is_returned_whatever_is_printed(self):
        faasd = self.start_with_languages()
        for language, table in (("python", PYTHON), ("javascript", JAVASCRIPT)):
            for name, (code, data, kind) in table.items():
                with self.subTest(language=language, name=name):
                    answer = self.run_now(faasd, language, code or " ", input=INPUT)
                    self.assertEqual(answer["type"], kind)
                    if data is not None:
                        self.assertEqual(answer["data"], data)

    def test_a_script_that_fails_is_a_500_with_its_error_and_its_line(self):
        faasd = self.start_with_languages()
        for language, table in (("python", PYTHON_FAILS), ("javascript", JAVASCRIPT_FAILS)):
            for name, (code, error, line) in table.items():
                with self.subTest(language=language, name=name):
                    answer = self.run_now(faasd, language, code, status=500)
                    self.assertIn(error, answer["error"])
                    self.assertEqual(answer["code"], "script_failed")
                    self.assertEqual(answer.get("line"), line)
                    self.assertNotIn("/usr/lib/faas", answer.get("traceback", ""))

    def test_json_may_nest_as_deep_as_is_promised_in_both_directions(self):
        self.addCleanup(sys.setrecursionlimit, sys.getrecursionlimit())
        sys.setrecursionlimit(10_000)  # for this client
        faasd = self.start_with_languages()
        deep = {"a": 1}
        for _ in range(999):
            deep = [deep]
        for language in self.languages:
            with self.subTest(language=language):
                answer = self.run_now(faasd, language, "return event", input=deep)
                self.assertEqual(json.dumps(answer["data"]), json.dumps(deep))

    def test_time_and_memory_end_a_script_and_what_it_printed_is_there(self):
        faasd = self.start_with_languages("--timeout", "3s", "--memory", "96M")
        loops = {"python": 'print("before")\nwhile True: pass',
                 "javascript": 'console.log("before"); while (true) {}'}
        hogs = {"python": 'print("before")\nx = bytearray(1 << 30)\nwhile True: pass',
                "javascript": 'console.log("before"); const x = [];\n'
                              'while (true) x.push(Buffer.alloc(1 << 20, 1))'}
        for scripts, code in ((loops, "timeout"), (hogs, "out_of_memory")):
            for language, script in scripts.items():
                with self.subTest(language=language, code=code):
                    request = {"language": language, "code": script}
                    events = list(self.stream(faasd, "/run-now", request))
                    self.assertEqual(events[0]["data"], "before")
                    self.assertEqual(events[-1]["event"], "error")
                    self.assertEqual(events[-1]["code"], code, events[-1])
                    if code == "timeout":
                        self.assertEqual(events[-1]["data"],
                                         "it was over its time limit of 3 s (--timeout)")

    def test_one_that_fails_returns_what_it_printed(self):
        faasd = self.start_with_languages("--timeout", "3s")
        for language, fail, loop in (
                ("python", 'print("one")\nimport sys; print("two", file=sys.stderr)\nx / 0',
                 'print("one", flush=True)\nwhile True: pass'),
                ("javascript", 'console.log("one"); console.error("two"); throw new Error("no")',
                 'console.log("one"); while (true) {}')):
            with self.subTest(language=language):
                answer = self.run_now(faasd, language, fail, status=500)
                self.assertEqual(sorted(answer["output"].split()), ["one", "two"])
                self.assertNotIn("output_cut", answer)
                self.assertIn("traceback", answer)
                self.assertEqual(self.run_now(faasd, language, loop, status=504), {
                    "error": "it was over its time limit of 3 s (--timeout)", "code": "timeout",
                    "output": "one\n"})
        much = 'print("é" * 50_000); print("last"); x / 0'
        answer = self.run_now(faasd, "python", much, status=500)
        self.assertTrue(answer["output"].endswith("é\nlast\n"), answer["output"][-20:])
        self.assertNotIn("\ufffd", answer["output"])
        self.assertLessEqual(len(answer["output"].encode()), 64 << 10)
        self.assertRegex(answer["output_cut"], r"^there were 344\d\d bytes before it$")
        self.assertNotIn("output", self.run_now(faasd, "python", "x / 0", status=500))

    def test_what_is_written_beyond_a_bound_is_cut_and_the_client_is_told(self):
        faasd = self.start_with_languages()
        for language, code in (
                ("python", 'for _ in range(3000): print("x" * 1000)\nreturn 1'),
                ("javascript", 'for (let i = 0; i < 3000; ++i) console.log("x".repeat(1000)); '
                               'return 1')):
            with self.subTest(language=language):
                events = list(self.stream(faasd, "/run-now", {"language": language, "code": code}))
                self.assertEqual(shown(events[-1]), {"event": "result", "data": 1,
                                                     "type": "number"})
                self.assertIn("bytes more", events[-1]["output_cut"])
                self.assertLess(len(events), 1100)
                self.run_now(faasd, language, code)
                self.assertIn("bytes more", self.headers["X-Faas-Output-Cut"])


class ScriptApiTest(ScriptTestCase):
    languages = ("python",)

    def test_uploads_are_versions_that_can_be_run(self):
        faasd = self.start_with_languages()
        versions = []
        for code in ("return 1", "return event['n'] + 1"):
            status, _, data = self.post(faasd, "/upload", {"path": "math/inc", "language": "py",
                                                           "code": code})
            self.assertEqual((status, data["path"], data["language"]), (200, "math/inc", "python"))
            versions.append(data["version"])
        self.assertLess(versions[0], versions[1])
        for query, number, wanted in (("", {"n": 1}, 2), ("", '{"n": 2}', 3),
                                      ("?version=later", {"n": 3}, 4),
                                      (f"?version={versions[0]}", {}, 1)):
            status, _, data = self.post(faasd, f"/run/math/inc{query}", {"input": number})
            self.assertEqual((status, data), (200, {"data": wanted, "type": "number"}))
        self.assertIn({"path": "math/inc", "language": "python", "latest": versions[1]},
                      faasd.api("GET", "/scripts")[2]["scripts"])
        self.assertEqual(faasd.api("GET", "/scripts/math/inc")[2], {
            "path": "math/inc", "language": "python", "latest": versions[1],
            "versions": versions[::-1]})
        for path in ("/run/math", "/run/math/inc?version=1"):
            self.assertEqual(self.post(faasd, path, {})[0], 404)
        self.assertEqual(faasd.api("DELETE", "/scripts/math/inc")[0], 200)
        self.assertEqual(faasd.api("DELETE", "/scripts/math/inc")[0], 404)
        self.assertEqual(self.post(faasd, "/run/math/inc", {})[0], 404)

    def test_what_cannot_be_run_is_refused(self):
        faasd = self.start_with_languages()
        upload = {"path": "p", "language": "python", "code": "return 1"}
        script = {"language": "python", "code": "return 1"}
        for path, request, status, code in (
                ("/upload", {**upload, "path": "../p"}, 400, "bad_path"),
                ("/upload", {**upload, "path": "a/../../p"}, 400, "bad_path"),
                ("/upload", {**upload, "path": ""}, 400, "bad_path"),
                ("/upload", {**upload, "path": "."}, 400, "bad_path"),
                ("/upload", {**upload, "path": "a/./b"}, 400, "bad_path"),
                ("/upload", {**upload, "path": "x" * 1001}, 400, "bad_path"),
                ("/upload", {**upload, "path": 1}, 400, "bad_request"),
                ("/upload", {**upload, "language": "cobol"}, 400, "unknown_language"),
                ("/upload", {**upload, "code": ""}, 400, "empty_code"),
                ("/upload", {**upload, "code": "#" * 262145}, 413, "code_too_large"),
                ("/run-now", {**script, "code": ""}, 400, "empty_code"),
                ("/run-now", {**script, "language": "cobol"}, 400, "unknown_language"),
                ("/run-now", {"language": "python"}, 400, "bad_request"),
                ("/run-now", {**script, "stream": "yes"}, 400, "bad_request"),
                ("/run-now", {**script, "code": "#" * 262145}, 413, "code_too_large"),
                ("/run-now", {**script, "input": "x" * (1 << 20)}, 413, "input_too_large"),
                ("/run/none", {}, 404, "unknown_script")):
            with self.subTest(path=path, code=code):
                got, _, data = self.post(faasd, path, request)
                self.assertEqual((got, data["code"]), (status, code), data)
        for body in (b"", b"{", b"[]", b'"x"', b'{"code": "\xff"}', b'{"a":' + b"[" * 100_000,
                     b'{"language":"python","language":"python","code":"return 1"}'):
            with self.subTest(body=body[:20]):
                got, _, data = faasd.api("POST", "/run-now", body)
                self.assertEqual((got, data["code"]), (400, "bad_json"))
        got, _, data = faasd.api("POST", "/run-now", b" " * (8 << 20))
        self.assertEqual((got, data["code"]), (413, "too_large"))

    def test_output_comes_as_it_is_written_and_the_result_last(self):
        faasd = self.start_with_languages()
        gate = "import signal\nprint('one', flush=True)\n"
        events = self.stream(faasd, "/run-now", {
            "language": "python", "input": {"a": 1},
            "code": "import sys\nprint('out')\nprint('err', file=sys.stderr)\n"
                    "print()\nprint('Grüße\u2028', end='')\nreturn event"})
        got = list(events)
        self.assertEqual([shown(event) for event in got if event.get("stream") != "stderr"], [
            {"event": "log", "data": "out", "type": "text"},
            {"event": "log", "data": "", "type": "text"},
            {"event": "log", "data": "Grüße\u2028", "type": "text"},
            {"event": "result", "data": {"a": 1}, "type": "json"}])
        self.assertEqual([event["data"] for event in got if event.get("stream") == "stderr"],
                         ["err"])
        self.assertEqual(got[-1]["receipt"]["outcome"], "ok")
        # The first line is there while the script is at work, which it is until its client leaves.
        events = self.stream(faasd, "/run-now",
                             {"language": "python", "code": gate + "signal.pause()"})
        self.assertEqual(next(events)["data"], "one")
        events.leave()
        receipt = self.receipts(faasd, "python", 2)[-1]
        self.assertIn("its client left", receipt["reason"])
        self.assertLess(receipt["run_ms"], 1000 * PATIENCE_S)

    def test_a_client_that_leaves_without_a_stream_ends_its_script_too(self):
        faasd = self.start_with_languages()
        code = "print('at work')\nwhile True: pass"
        body = json.dumps({"language": "python", "code": code}).encode()
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(faasd.socket)
            client.sendall(b"POST /run-now HTTP/1.1\r\nHost: a\r\nContent-Length: "
                           + str(len(body)).encode() + b"\r\n\r\n" + body)
            faasd.log.wait_until(lambda: any(line["text"] == "at work" for line in
                                             faasd.function_log("python")), "it does not run")
        self.assertIn("its client left", self.receipts(faasd, "python", 1)[0]["reason"])

    def test_a_stream_that_broke_can_be_resumed(self):
        faasd = self.start_with_languages()
        code = "for i in range(3): print(i)\nreturn 'done'"
        request = {"language": "python", "code": code}
        first = self.stream(faasd, "/run-now", request)
        self.assertEqual([next(first)["data"] for _ in range(2)], ["0", "1"])
        first.leave()
        second = self.stream(faasd, "/run-now", request, {"Last-Event-ID": first.ids[-1]})
        self.assertEqual([event["data"] for event in second], ["2", "done"])
        # After its end as well; and it has run once.
        third = self.stream(faasd, "/run-now", request, {"Last-Event-ID": first.ids[0]})
        self.assertEqual([event["data"] for event in third], ["1", "2", "done"])
        self.assertEqual(len(self.receipts(faasd, "python", 1)), 1)
        for unknown in ("", "x", "0123-1", first.ids[0] + "9" * 30):
            gone = self.stream(faasd, "/run-now", request, {"Last-Event-ID": unknown})
            self.assertEqual(gone.reply.status, 404)

    def test_a_stream_has_so_many_readers_and_slow_ones_cost_little(self):
        faasd = self.start_with_languages()
        request = {"language": "python",
                   "code": "import os\nos.write(1, bytes([1]) * 10**6)\nreturn 'x' * 10**6"}
        first = self.stream(faasd, "/run-now", request)
        self.assertEqual([len(event["data"]) for event in first][-1], 10**6)
        before = machine.resident_bytes(faasd.process.pid)
        start = {"Last-Event-ID": first.ids[0][:-1] + "0"}
        readers = [self.stream(faasd, "/run-now", request, start) for _ in range(16)]
        refused = self.stream(faasd, "/run-now", request, {"Last-Event-ID": first.ids[-1]})
        self.assertEqual(refused.reply.status, 503)
        self.assertIn(b"too_many_readers", refused.reply.read())
        self.assertLess(machine.resident_bytes(faasd.process.pid) - before, 32 << 20)
        self.assertEqual(sum(len(event["data"]) for event in readers[0]), 2 * 10**6)

    def test_answers_that_nobody_reads_take_no_more_than_their_memory(self):
        faasd = self.start_with_languages()
        large = {"language": "python", "code": "return 'x' * 4_000_000"}
        idle = []
        # One by one: of those that grow together when there is no more, all would be cut.
        for count in range(1, 34):
            connection = UnixConnection(faasd.socket)
            self.addCleanup(connection.close)
            connection.request("POST", "/run-now", json.dumps(large), {})
            idle.append(connection)
            self.receipts(faasd, "python", count)
        status, headers, answer = self.post(faasd, "/run-now", large)
        self.assertEqual((status, answer["code"]), (503, "no_memory_for_replies"), answer)
        self.assertGreater(int(headers["Retry-After"]), 1)
        self.assertEqual(self.run_now(faasd, "python", "return 1")["data"], 1)
        for connection in idle:
            connection.close()
        faasd.log.wait_until(lambda: self.post(faasd, "/run-now", large)[0] == 200,
                             "the memory does not come back")

    def test_a_silent_stream_has_a_heartbeat(self):
        faasd = self.start_with_languages()
        events = self.stream(faasd, "/run-now",
                             {"language": "python", "code": "import signal\nsignal.pause()"})
        self.assertEqual(next(events), "heartbeat")
        events.leave()
        self.receipts(faasd, "python", 1)

    def test_nonsense_on_its_connection_is_a_502(self):
        faasd = self.start_with_languages()
        write = ("import os, stat\nfor fd in range(3, 64):\n  try:\n"
                 "    if stat.S_ISSOCK(os.fstat(fd).st_mode): os.write(fd, TEXT)\n"
                 "  except OSError: pass\n")
        for text, end in ((b"nonsense", "os._exit(0)"), (b"nonsense", "return 1"),
                          (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n[1]", "os._exit(0)"),
                          (b"HTTP/1.1 503 Busy\r\nContent-Length: 2\r\n\r\n{}", "os._exit(0)"),
                          (b"x" * (5 << 20), "return 1")):
            with self.subTest(text=text[:20], end=end):
                answer = self.write_to_sockets(faasd, text, write, end)
                self.assertIn(answer["code"], ("bad_reply", "result_too_large"))

    def write_to_sockets(self, faasd, text, write, end):
        value = repr(text) if len(text) < 100 else f"b'x' * {len(text)}"
        status, _, data = self.post(faasd, "/run-now", {
            "language": "python", "code": f"TEXT = {value}\n{write}{end}"})
        self.assertIn(status, (500, 502))
        return data

    def test_a_script_is_an_instance_of_its_language(self):
        faasd = self.start_with_languages()
        described = faasd.describe("python")
        self.assertEqual(described["language"]["name"], "python")
        # Nobody but faasd reaches it.
        with self.assertRaises(ConnectionRefusedError):
            socket.create_connection((described["ip"], 80), PATIENCE_S)
        answer = self.run_now(faasd, "python", (
            "import os, socket\nopen('/tmp/mine', 'w').close()\n"
            "try: socket.create_connection(('127.0.0.1', 80)); net = 'open'\n"
            "except OSError as e: net = type(e).__name__\n"
            "return [os.getpid(), sorted(os.listdir('/tmp')), net, os.getuid(), "
            "sorted(k for k in os.environ if 'FAAS' in k)]"))
        for _ in range(2):
            self.assertEqual(answer["data"], [1, ["mine"], "ConnectionRefusedError", 0, []])
        self.assertEqual(self.headers["X-Faas-Outcome"], "ok")
        receipt = self.receipts(faasd, "python", 1)[0]
        self.assertEqual(receipt["instance"], self.headers["X-Faas-Instance"])
        self.assertGreater(receipt["bytes_in"], 100)
        self.assertGreater(receipt["bytes_out"], 30)
        self.assertIn('faasd_invocations_total{function="python",outcome="ok"} ',
                      faasd.api("GET", "/metrics")[2].decode())

    def test_a_language_is_no_function_that_serves_connections_and_stays_so(self):
        faasd = self.start_with_languages(own=True)
        self.assertEqual(self.install(faasd, "python"), "python runs python 3.11.2, version 2\n")
        refused = faasd.faas("new", "python", "-f", self.archives["python"])
        self.assertEqual(refused.returncode, 1)
        self.assertIn("is a language", refused.stderr)
        for described in ("{}", "python", '{"name": "p", "version": "1"}'):
            refused = faasd.faas("new", "other", "-f", self.archives["python"], "--language",
                                 described)
            self.assertEqual(refused.returncode, 1, described)
            self.assertIn("'language'", refused.stderr)
        faasd.faas("rm", "python", check=True)
        self.assertEqual(self.run_now(faasd, "python", "return 1", status=400)["code"],
                         "unknown_language")

    def test_scripts_and_languages_outlive_a_daemon_that_is_killed(self):
        faasd = self.start_with_languages(own=True)
        upload = {"path": "kept", "language": "python", "code": "return 'kept'"}
        self.assertEqual(self.post(faasd, "/upload", upload)[0], 200)
        faasd.kill9()
        faasd = self.restart(faasd)
        self.assertEqual(self.post(faasd, "/run/kept", {})[2], {"data": "kept", "type": "string"})

    def test_the_variables_of_go_faas_are_understood(self):
        faasd = self.start_with_languages(env={
            "TIMEOUT_SCRIPT": "2", "MAX_MEMORY": "64M", "MAX_CPUS": "0.5", "CODE_MAX_SIZE": "300"})
        answer = self.run_now(faasd, "python", "while True: pass", status=504)
        self.assertEqual(answer["code"], "timeout")
        answer = self.run_now(faasd, "python", "x = b'x' * (100 << 20)", status=500)
        self.assertEqual(answer["code"], "out_of_memory")
        self.run_now(faasd, "python", "#" * 301, status=413)
        failed = self.start(env={"MAX_MEMORY": "much"}, wait=False)
        failed.expected_status = 2
        self.assertEqual(failed.wait_exit(), 2)
        self.assertIn("'memory' is a size", failed.log.tail())

    def test_many_run_at_once_and_the_rest_waits(self):
        faasd = self.start_with_languages("--concurrency", "4")
        answers = []
        threads = [threading.Thread(target=lambda n=n: answers.append(
            self.post(faasd, "/run-now", {"language": "python", "code": "return event",
                                          "input": n}))) for n in range(24)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(sorted(data["data"] for _, _, data in answers), list(range(24)))
        faasd.faas("rm", "python", check=True)
        self.install(faasd, "python", "--concurrency", "1", "--queue", "0")
        events = self.stream(faasd, "/run-now", {
            "language": "python", "code": "import signal\nprint(1)\nsignal.pause()"})
        next(events)
        status, headers, data = self.post(faasd, "/run-now",
                                          {"language": "python", "code": "return 1"})
        self.assertEqual((status, data["code"]), (503, "no_capacity"))
        self.assertGreaterEqual(int(headers["Retry-After"]), 1)

    def test_a_daemon_that_stops_ends_streams_and_says_so(self):
        faasd = self.start_with_languages(flags=("--drain-timeout", "1s"))
        events = self.stream(faasd, "/run-now", {
            "language": "python", "code": "import signal\nprint(1)\nsignal.pause()"})
        next(events)
        faasd.terminate()
        last = list(events)[-1]
        self.assertEqual((last["event"], last["code"]), ("error", "timeout"))

if __name__ == "__main__":
    unittest.main()
