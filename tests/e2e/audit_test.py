"""The audit log: a line for every call that was to change something, whoever made it and whatever
came of it, and none that a caller wrote (A6)."""

import json
import unittest
import urllib.parse

from callers_test import NOBODY, TokenTestCase, call_as
from faasd_process import HELLO_TAR

FORGED = '\n{"event":"audit","caller":"uid:0","method":"PUT","status":200}'


class AMutation(TokenTestCase):
    def audit_lines(self, faasd, count):
        """All of them, as soon as there are so many."""
        faasd.log.wait_until(lambda: len(faasd.log.find("audit")) >= count,
                             f"there are no {count} lines")
        lines = faasd.log.find("audit")
        self.assertEqual(len(lines), count, lines)
        return lines

    def hello(self):
        with open(HELLO_TAR, "rb") as file:
            return file.read()

    def test_A6_leaves_one_line_done_or_refused(self):
        faasd = self.start()
        name = {"X-Image-Name": "hello"}
        rows = (
            ("PUT", "/v1/functions/hello", self.hello(), {}, "hello"),
            ("PUT", "/v1/functions/hello?memory=lots", b"x", {}, "hello"),
            ("PUT", "/v1/functions/hello", b"no archive", {}, "hello"),
            ("POST", "/api/new", self.hello(), name, "hello"),
            ("POST", "/api/new", b"x", {}, ""),
            ("POST", "/v1/functions/hello/rollback?version=1", b"", {}, "hello"),
            ("POST", "/v1/functions/hello/rollback?version=9", b"", {}, "hello"),
            ("POST", "/v1/layers", b'{"diff_ids":[]}', {}, ""),
            ("POST", "/v1/gc", b"", {}, ""),
            ("DELETE", "/v1/functions/hello", b"", {}, "hello"),
            ("DELETE", "/v1/functions/hello", b"", {}, "hello"),
            ("PATCH", "/v1/functions/hello", b"", {}, "hello"),
            ("POST", "/nowhere", b"x", {}, ""),
        )
        expected = []
        for method, target, body, headers, function in rows:
            status, _, _ = faasd.api(method, target, body, headers)
            expected.append(("uid:0", method, target, function, status))
            for path in ("/api/list", "/v1/functions/hello", "/healthz"):
                faasd.api("GET", path)  # changes nothing, and leaves no line
        lines = self.audit_lines(faasd, len(rows))
        self.assertEqual([(line["caller"], line["method"], line["target"], line["function"],
                           line["status"]) for line in lines], expected)
        statuses = {line["status"] for line in lines}
        self.assertLessEqual({200, 201, 400, 404, 405}, statuses)
        for line in lines:
            self.assertEqual(bool(line["error"]), line["status"] >= 400, line)
            self.assertEqual(line["from"], "unix")

    def test_A6_leaves_one_line_of_those_without_right_too(self):
        faasd = self.start("--token-file", self.token_file())
        for token, path in (("", "/v1/functions/a"), ("wrong", "/v1/functions/b"),
                            (self.TOKEN, "/v1/functions/UPPER")):
            call_as(NOBODY, "tcp", faasd.listen, "DELETE", path, token)
        lines = self.audit_lines(faasd, 3)
        self.assertEqual([(line["caller"], line["function"], line["status"]) for line in lines],
                         [(f"uid:{NOBODY}", "a", 401), (f"uid:{NOBODY}", "b", 401),
                          ("token", "UPPER", 400)])
        for line in lines:
            self.assertRegex(line["from"], r"^127\.0\.0\.1")
            self.assertNotIn(self.TOKEN, json.dumps(line))

    def test_A6_cannot_write_a_line_of_its_own(self):
        faasd = self.start()
        attempts = [f"a{end}audit" for end in ("\n", "\r\n", "\r", "\v", "\x85", "\u2028")]
        attempts += [FORGED, '"} {"event":"audit"}', "a\x1b[2K\rb", "a\\nb", "é" * 400]
        for text in attempts:
            quoted = urllib.parse.quote(text)
            faasd.api("DELETE", f"/v1/functions/{quoted}")
            faasd.api("PUT", f"/v1/functions/a?memory={quoted}", b"x")
        faasd.api("POST", "/api/new", b"x", {"X-Image-Name": 'a\tb"} audit caller=uid:0'})
        lines = self.audit_lines(faasd, 2 * len(attempts) + 1)
        self.assertEqual({line["status"] for line in lines}, {400})
        # Every line is one object as the daemon writes them; nothing stands between them.
        for raw, event in zip(faasd.log.raw, faasd.log.events):
            self.assertIn("event", event, raw)
            self.assertTrue(raw.isascii() and raw.isprintable(), raw)


if __name__ == "__main__":
    unittest.main()
