"""The real `faas` against a server of the test's own: versions, rollback and gc."""

import json
import os
import pty
import sys
import threading
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from cli_case import DEADLINE_SECONDS, FUNCTION, CliTest, faas, start  # noqa: E402


def version(number, **more):
    kept = ("image", "created_at", "cmd", "env", "limits", "protocol", "launcher", "mode", "warm")
    return {"version": number, "current": False, **{key: FUNCTION[key] for key in kept}, **more}


VERSIONS = {"name": "hello", "versions": [version(12, current=True, rollback_of=10),
                                          version(11, created_at="\u001b[2J"), version(10)]}


class Versions(CliTest):
    def test_are_a_table_without_control_characters(self):
        daemon = self.daemon(GET=lambda request: request.answer(200, VERSIONS))
        result = faas("versions", "hello", *daemon.flags)
        self.check(result, 0)
        lines = result.stdout.decode().splitlines()
        self.assertEqual(lines[0].split(), ["VERSION", "CURRENT", "IMAGE", "CREATED", "ORIGIN"])
        self.assertEqual(lines[1].split(), ["12", "*", "0123456789ab", FUNCTION["created_at"],
                                            "rollback", "of", "10"])
        self.assertEqual(lines[2].split(), ["11", "0123456789ab", "\\x1b[2J", "deployed"])
        self.assertEqual(len(lines), 4)
        self.assertEqual(daemon.last("GET").target, "/v1/functions/hello/versions")

    def test_in_json_are_the_daemons(self):
        daemon = self.daemon(GET=lambda request: request.answer(200, VERSIONS))
        result = faas("versions", "hello", "--json", *daemon.flags)
        self.assertEqual(json.loads(result.stdout), VERSIONS)
        self.assertTrue(result.stdout.isascii())

    def test_of_an_unknown_function_are_exit_1(self):
        self.check(faas("versions", "nope", *self.daemon().flags), 1, "no function has this name")

    def test_name_is_one(self):
        for words in (["versions"], ["versions", ""], ["versions", "a", "b"]):
            self.check(faas(*words), 2, "faas: ")


class Rollback(CliTest):
    def setUp(self):
        super().setUp()
        self.server = self.daemon(POST=lambda request: request.answer(
            200, {**FUNCTION, "version": 13, "rollback_of": 11}))

    def test_goes_to_the_version_before_or_to_the_one_that_is_named(self):
        result = faas("rollback", "hello", *self.server.flags)
        self.check(result, 0)
        self.assertEqual(result.stdout.decode(),
                         "hello is at 127.77.0.10, version 13, a rollback of 11\n")
        self.assertEqual(self.server.last("POST").target, "/v1/functions/hello/rollback")
        self.check(faas("rollback", "hello", "11", *self.server.flags), 0)
        request = self.server.last("POST")
        self.assertEqual(request.target, "/v1/functions/hello/rollback?version=11")
        self.assertEqual(request.headers.get("content-length"), "0")

    def test_in_json_is_the_function(self):
        result = faas("rollback", "hello", "--json", *self.server.flags)
        self.assertEqual(json.loads(result.stdout)["rollback_of"], 11)

    def test_of_what_is_no_version_is_a_usage_error(self):
        for words in (["rollback"], ["rollback", ""], ["rollback", "a", "0"],
                      ["rollback", "a", "-1"], ["rollback", "a", "x"], ["rollback", "a", "1.5"],
                      ["rollback", "a", "1", "2"], ["rollback", "a", "99999999999999999999"]):
            with self.subTest(words=words):
                self.check(faas(*words, *self.server.flags), 2, "faas: ")
        self.assertEqual(self.server.requests, [])
        self.check(faas("rollback", "a", "abc", *self.server.flags), 2,
                   "faas: 'abc' is no version; `faas versions a` lists them\n")
        self.assertNotIn(b"9007199254740992", faas("rollback", "--help").stdout)

    def test_that_is_refused_is_exit_1_with_the_daemons_words(self):
        daemon = self.daemon(tcp=True, POST=lambda request: request.refuse(
            404, "unknown_version", "there is no version 2; kept of 'a': 5, 4, 3"))
        self.check(faas("rollback", "a", "2", *daemon.flags), 1, "kept of 'a': 5, 4, 3")


class Gc(CliTest):
    def run_gc(self, answer, *words):
        daemon = self.daemon(POST=lambda request: request.answer(200, answer))
        result = faas("gc", *words, *daemon.flags)
        self.assertEqual(daemon.last("POST").target, "/v1/gc")
        return result

    def test_says_what_was_freed(self):
        result = self.run_gc({"images": 1, "layers": 3, "bytes": 5 << 20})
        self.check(result, 0)
        self.assertEqual(result.stdout, b"freed 5 MiB; removed 1 unused image, 3 unused layers\n")
        self.assertEqual(result.stderr, b"")

    def test_says_what_stood_in_its_way(self):
        result = self.run_gc({"images": 0, "layers": 0, "bytes": 0,
                              "unread": ["bad\u001b.json.corrupt"]})
        self.check(result, 0, "functions/bad\\x1b.json.corrupt")
        self.assertEqual(result.stdout, b"freed 0 B; removed 0 unused images, 0 unused layers\n")

    def test_in_json_is_the_daemons(self):
        answer = {"images": 1, "layers": 3, "bytes": 4096}
        self.assertEqual(json.loads(self.run_gc(answer, "--json").stdout), answer)

    def test_that_waits_long_says_so_on_a_terminal(self):
        said = threading.Event()

        def collect(request):
            said.wait(DEADLINE_SECONDS)
            request.answer(200, {"images": 0, "layers": 0, "bytes": 1 << 20})

        daemon = self.daemon(POST=collect)
        leader, follower = pty.openpty()
        self.addCleanup(os.close, leader)
        process = start("gc", *daemon.flags, stderr=follower)
        os.close(follower)
        line = os.read(leader, 4096)
        said.set()
        self.assertEqual(line, b"faas: waiting until the disk has its space back\r\n")
        self.assertEqual(process.communicate(timeout=DEADLINE_SECONDS)[0],
                         b"freed 1 MiB; removed 0 unused images, 0 unused layers\n")

    def test_takes_no_words(self):
        self.check(faas("gc", "all"), 2, "faas: ")


if __name__ == "__main__":
    unittest.main()
