"""Whatever is wrong with an upload, a name, a handler or a runtime is said clearly, with the right
status, and leaves nothing behind."""

import contextlib
import hashlib
import os
import socket
import stat
import tempfile
import unittest
import urllib.parse

import images
import machine
from faasd_process import HELLO_TAR, FaasdTestCase, Reply, connect, curl, read_to_end
from image_tar import Fault


def hello_bytes():
    with open(HELLO_TAR, "rb") as file:
        return file.read()


# (what it is, the body, the status, words that the message must have)
UPLOADS = (
    ("nothing", lambda: b"", 400, ["empty"]),
    ("a text", lambda: images.hello(Fault.NOT_A_TAR), 400, ["tar"]),
    ("random bytes", lambda: hashlib.shake_256(b"seed").digest(100_000), 400, ["tar"]),
    ("a tar that is no image", lambda: images.plain_tar({"readme.txt": b"hello"}), 400,
     ["manifest.json"]),
    ("no manifest", lambda: images.hello(Fault.NO_MANIFEST), 400, ["manifest.json"]),
    ("a manifest that is no JSON", lambda: images.hello(Fault.MANIFEST_NOT_JSON), 400,
     ["manifest.json"]),
    ("a manifest that is null", lambda: images.hello(Fault.NULL_MANIFEST), 400, ["manifest.json"]),
    ("an empty manifest", lambda: images.hello(Fault.EMPTY_MANIFEST), 400, ["manifest.json"]),
    ("a manifest that points outside", lambda: images.hello(Fault.MANIFEST_ESCAPES), 400, []),
    ("an image cut off in its last layer", lambda: images.hello(Fault.TRUNCATED), 400, []),
    ("an image without its last layer", lambda: images.hello(Fault.MISSING_LAYER), 400,
     ["layer.tar"]),
    ("an image without its config", lambda: images.hello(Fault.MISSING_CONFIG), 400, [".json"]),
    ("a config that is no JSON", lambda: images.hello(Fault.CONFIG_NOT_JSON), 400, []),
    ("a layer with one bit changed", lambda: images.hello(Fault.WRONG_LAYER_DIGEST), 400,
     ["sha256"]),
    ("a layer that is no tar", lambda: images.hello(Fault.LAYER_NOT_A_TAR), 400, []),
    ("one digest less than layers", lambda: images.hello(Fault.FEWER_DIFF_IDS), 400, []),
    ("no command", lambda: images.hello(Entrypoint=[]), 400, ["command"]),
    ("a missing command", lambda: images.hello(Entrypoint=["/not/here"]), 400, ["/not/here"]),
    ("a command that may not be run", lambda: images.script("#!/bin/sh\n", mode=0o644), 400,
     ["/handler"]),
    ("an unknown user", lambda: images.hello(User="nosuchuser"), 400, ["nosuchuser"]),
)


class ABadUpload(FaasdTestCase):
    def setUp(self):
        super().setUp()
        self.faasd = self.start()
        self.faasd.deploy("good")
        self.footprint = self.faasd.idle_footprint()
        self.state = machine.tree(self.faasd.state_dir)

    def assert_nothing_changed(self):
        self.faasd.log.wait_until(lambda: machine.tree(self.faasd.state_dir) == self.state,
                                  "the state directory has more or less than before")
        self.faasd.wait_for_footprint(self.footprint)
        self.assertEqual(list(self.faasd.api("GET", "/api/list")[2]), ["good"])

    def assert_refused(self, answer, status, words):
        got, headers, body = answer
        self.assertEqual(got, status, body)
        self.assertIn("application/json", headers["Content-Type"])
        self.assertEqual(set(body), {"error", "code"})
        self.assertRegex(body["code"], r"\A[a-z0-9_]+\Z")
        for word in words:
            self.assertIn(word, body["error"])
        for trace in ("terminate", "what():", ".cpp"):
            self.assertNotIn(trace, body["error"])

    def test_gets_its_status_and_a_reason_and_leaves_nothing(self):
        for what, body, status, words in UPLOADS:
            with self.subTest(upload=what):
                data = body()
                self.assert_refused(self.faasd.api("PUT", "/v1/functions/bad", data), status, words)
                self.assert_nothing_changed()

    def test_is_refused_by_the_command_line_with_the_same_message_and_exit_code_1(self):
        for what, body, _, words in UPLOADS:
            with self.subTest(upload=what):
                data = body()
                done = self.faasd.faas("new", "bad", input=data)
                # An empty stdin is seen before anybody is asked: a mistake in the command.
                self.assertEqual(done.returncode, 2 if not data else 1, done.stderr)
                for word in words:
                    self.assertIn(word, done.stderr)
                self.assertEqual(done.stdout, "")
        self.assert_nothing_changed()

    def test_that_breaks_off_leaves_nothing(self):
        data = hello_bytes()
        for head, body in (
                (f"Content-Length: {len(data)}", data[:len(data) // 2]),
                ("Transfer-Encoding: chunked", b"%x\r\n" % len(data) + data[:5000])):
            with self.subTest(framing=head), socket.socket(socket.AF_UNIX) as sock:
                sock.connect(self.faasd.socket)
                sock.sendall(f"PUT /v1/functions/bad HTTP/1.1\r\nHost: a\r\n{head}\r\n\r\n".encode()
                             + body)
            self.assert_nothing_changed()

    def test_A4_name_is_refused_before_the_body_and_touches_nothing(self):
        names = ("", "/", "a/b", "../x", "..", ".", "A", "-a", "a-", "a" * 65, "a b", "é", "a\0",
                 "a%2fb")
        for name in names:
            with self.subTest(name=name):
                path = "/v1/functions/" + urllib.parse.quote(name, safe="")
                status, _, body = self.faasd.api("PUT", path, b"never looked at")
                self.assertEqual(status, 400, body)
                done = self.faasd.faas("new", name.replace("\0", "\x01"), input=b"x")
                self.assertIn(done.returncode, (1, 2), done.stderr)
        status, _, body = self.faasd.api("POST", "/api/new", b"x", {"X-Image-Name": "../../etc"})
        self.assertEqual((status, body["code"]), (400, "bad_name"))
        self.assert_nothing_changed()

    def test_option_is_refused_and_named(self):
        for query in ("memory=lots", "memory=1", "cpus=0", "cpus=nan", "timeout=-1s", "pids=1",
                      "concurrency=0", "env=novalue", "nosuch=1", "memory=64M&memory=65M",
                      "tmpfs=1X", "queue=1000000000000"):
            with self.subTest(query=query):
                answer = self.faasd.api("PUT", "/v1/functions/bad?" + query, hello_bytes())
                self.assert_refused(answer, 400, [query.split("=")[0]])
        self.assert_nothing_changed()

    def test_for_an_image_of_another_processor_is_refused_or_fails_with_a_reason(self):
        status, _, body = self.faasd.api("PUT", "/v1/functions/other",
                                         images.hello(architecture="riscv64"))
        if status == 400:
            self.assertIn("riscv64", body["error"])
        else:  # hello's code is this machine's, whatever its config says
            self.assertEqual(curl(body["ip"]).status, 200)


# (behaviour, the status, the code, the outcome of its receipt)
HANDLERS = (
    (["exit-at-once", "0"], 502, "launch_failed", "launch_failed"),
    (["exit-at-once", "3"], 502, "launch_failed", "launch_failed"),
    (["never-connect"], 504, "timeout", "timeout"),
    (["connect-never-receive"], 504, "timeout", "timeout"),
    (["never-exit"], 504, "timeout", "timeout"),
)


class ABadHandler(FaasdTestCase):
    def setUp(self):
        super().setUp()
        self.faasd = self.start()

    def deploy(self, *words, timeout="2s", options=()):
        return self.faasd.deploy("bad", images.misbehave(*words), "--timeout", timeout,
                                 *options)

    def test_gets_the_client_an_answer_and_leaves_nothing(self):
        for words, status, code, outcome in HANDLERS:
            with self.subTest(behaviour=words):
                address = self.deploy(*words)
                before = self.faasd.idle_footprint()
                reply = curl(address)
                self.assertEqual(reply.status, status, reply)
                self.assertEqual(reply.headers["connection"], "close")
                self.assertEqual(reply.json()["code"], code)
                self.assertIn("'bad'", reply.json()["error"])
                instance = reply.headers["x-faas-instance"]
                self.faasd.log.wait_for("receipt", instance=instance, outcome=outcome)
                self.faasd.wait_for_footprint(before)

    def test_that_speaks_no_http_gets_its_client_just_a_close(self):
        address = self.deploy("exit-at-once", options=("--protocol", "tcp"))
        with connect(address) as sock:
            sock.sendall(b"anything")
            try:
                self.assertEqual(read_to_end(sock), b"")
            except ConnectionResetError:
                pass

    def test_that_dies_with_the_connection_closes_it(self):
        for words, fields in ((("exit-after-receive", "3"), {"outcome": "exit", "exit_code": 3}),
                              (("killself", "11"), {"outcome": "signal", "signal": 11})):
            with self.subTest(behaviour=words):
                address = self.deploy(*words)
                before = self.faasd.idle_footprint()
                try:
                    self.assertEqual(curl(address).raw, b"")
                except ConnectionResetError:
                    pass
                self.faasd.log.wait_for("receipt", **fields)
                self.faasd.wait_for_footprint(before)

    def test_that_connects_twice_or_sends_garbage_harms_nobody(self):
        for words in (("connect-twice",), ("garbage", "64")):
            with self.subTest(behaviour=words):
                address = self.deploy(*words)
                curl(address)
                before = self.faasd.idle_footprint()
                for _ in range(5):
                    reply = curl(address)
                    self.assertIn(reply.status, (200, 502), reply)
                self.faasd.wait_for_footprint(before)

    def test_that_answers_and_never_exits_is_ended_at_its_deadline(self):
        address = self.deploy("answer-then-hang", timeout="1s")
        before = self.faasd.idle_footprint()
        self.assertEqual(curl(address).status, 200)
        self.faasd.log.wait_for("receipt", outcome="timeout")
        self.faasd.wait_for_footprint(before)

    def test_that_asks_for_a_lingering_close_makes_nobody_wait(self):
        other = self.faasd.deploy("hello")
        with connect(self.deploy("linger", "600", timeout="1s")) as sock:  # and reads nothing
            self.faasd.log.wait_for("receipt", function="bad", outcome="timeout")
            self.assertEqual(curl(other).status, 200)
            sock.sendall(b"still here")

    def test_output_is_found_in_the_log_with_its_instance(self):
        address = self.deploy("stderr-lines", "3")
        self.assertEqual(curl(address).status, 200)
        receipt = self.faasd.log.wait_for("receipt", function="bad")
        lines = self.faasd.function_log("bad")
        self.assertEqual([line["text"] for line in lines], [f"stderr line {n}" for n in (1, 2, 3)])
        for line in lines:
            self.assertEqual((line["stream"], line["instance"]), ("stderr", receipt["instance"]))

    def test_command_that_is_missing_an_interpreter_is_a_502(self):
        archive = images.script("#!/no/such/interpreter\n")
        status, _, body = self.faasd.api("PUT", "/v1/functions/bad", archive)
        if status == 400:
            self.assertIn("/no/such/interpreter", body["error"])
            return
        reply = curl(body["ip"])
        self.assertEqual((reply.status, reply.json()["code"]), (502, "launch_failed"))


class ABadRuntime(FaasdTestCase):
    """A runtime is a program at a path; these are scripts that stand in its place."""

    @contextlib.contextmanager
    def runtime(self, body):
        with tempfile.TemporaryDirectory(prefix="r-") as directory:
            path = os.path.join(directory, "runtime")
            with open(path, "w", encoding="utf-8") as file:
                file.write("#!/bin/sh\n" + body)
            os.chmod(path, 0o755)
            yield path

    RUN = 'case " $* " in *" run "*) {} ;; esac\nexec runc "$@"\n'

    def assert_502(self, faasd, address):
        before = faasd.idle_footprint()
        reply = curl(address)
        self.assertEqual(reply.status, 502, reply)
        self.assertEqual(reply.json()["code"], "launch_failed")
        self.assertNotIn(faasd.run_dir, reply.json()["error"], "a path of the host")
        faasd.log.wait_for("receipt", outcome="launch_failed")
        faasd.wait_for_footprint(before)

    def test_K9_that_fails_is_a_502_and_its_words_are_in_the_log(self):
        with self.runtime(self.RUN.format("echo no container today >&2; exit 137")) as path:
            faasd = self.start("--launcher", path)
            self.assert_502(faasd, faasd.deploy("hello"))
            self.assertEqual([line["text"] for line in faasd.function_log("hello")],
                             ["no container today"])

    def test_K9_that_is_killed_is_a_502(self):
        with self.runtime(self.RUN.format("kill -9 $$")) as path:
            faasd = self.start("--launcher", path)
            self.assert_502(faasd, faasd.deploy("hello"))

    def test_K9_that_says_it_did_and_did_not_is_a_502(self):
        with self.runtime(self.RUN.format("exit 0")) as path:
            faasd = self.start("--launcher", path)
            self.assert_502(faasd, faasd.deploy("hello"))

    def test_K9_that_hangs_is_ended_with_its_request(self):
        with self.runtime(self.RUN.format("read never </dev/zero; while :; do :; done")) as path:
            faasd = self.start("--launcher", path)
            address = faasd.deploy("hello", HELLO_TAR, "--timeout", "2s")
            before = faasd.idle_footprint()
            reply = curl(address)
            self.assertIn(reply.status, (502, 504), reply)
            faasd.wait_for_footprint(before)

    def test_K9_that_goes_missing_is_a_502_and_works_again_when_it_is_back(self):
        with self.runtime('exec runc "$@"\n') as path:
            faasd = self.start("--launcher", path)
            address = faasd.deploy("hello")
            self.assertEqual(curl(address).status, 200)
            os.chmod(path, 0o644)
            self.assert_502(faasd, address)
            os.chmod(path, 0o644 | stat.S_IXUSR)
            self.assertEqual(curl(address).status, 200)


class ABadRequest(FaasdTestCase):
    """Bytes that are no HTTP, on the control port."""

    ROWS = (
        (b"NONSENSE\r\n\r\n", (400,)),
        (b"GET /api/list HTTP/1.1\r\n\r\n", (400, 200)),
        (b"PUT /v1/functions/x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n"
         b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", (400,)),
        (b"PUT /v1/functions/x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n"
         b"Content-Length: 6\r\n\r\nhello", (400,)),
        (b"PUT /v1/functions/x HTTP/1.1\r\nHost: a\r\n"
         b"Content-Length: 99999999999999999999999\r\n\r\n", (400, 413)),
        (b"PUT /v1/functions/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
         b"0x10\r\n0123456789abcdef\r\n0\r\n\r\n", (400,)),
        (b"GET /api/list HTTP/1.1\r\nHost : a\r\n\r\n", (400,)),
        (b"GET /api/list HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n", (400,)),
        (b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", (400, 414, 431)),
        (b"GET /nowhere HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", (404,)),
        (b"PATCH /api/list HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", (405,)),
    )

    def test_is_answered_with_a_client_error_and_the_next_one_is_served(self):
        faasd = self.start()
        host, _, port = faasd.listen.rpartition(":")
        for request, statuses in self.ROWS:
            with self.subTest(request=request[:80]), connect(host, int(port)) as sock:
                sock.sendall(request)
                sock.shutdown(socket.SHUT_WR)
                try:
                    data = read_to_end(sock)
                except ConnectionResetError:
                    data = b""
                if data:
                    self.assertIn(Reply(data).status, statuses, data[:300])
            self.assertEqual(faasd.api("GET", "/api/list")[0], 200)


if __name__ == "__main__":
    unittest.main()
