"""Who may call the control API: by the kernel for local callers, else by a token (A1, A2, A5)."""

import json
import os
import subprocess
import sys
import tempfile
import unittest

from faasd_process import HELLO_TAR, FaasdTestCase

NOBODY = 65534

# Runs as another user: one request, and what came of it as a line of JSON.
CALLER = """
import http.client, json, os, socket, sys
uid, kind, where, method, path, headers = sys.argv[1:]
os.setgroups([]); os.setgid(int(uid)); os.setuid(int(uid))
class Unix(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(where)
socket.setdefaulttimeout(30)
try:
    connection = Unix("localhost") if kind == "unix" else http.client.HTTPConnection(where)
    connection.request(method, path, headers=json.loads(headers))
    answer = connection.getresponse()
    print(json.dumps({"status": answer.status, "body": answer.read().decode()}))
except OSError as error:
    print(json.dumps({"errno": error.errno}))
"""


def call_as(uid, kind, where, method="GET", path="/api/list", token="", headers=None, prefix=()):
    headers = {**(headers or {}), **({"Authorization": "Bearer " + token} if token else {})}
    done = subprocess.run([*prefix, sys.executable, "-I", "-S", "-c", CALLER, str(uid), kind, where,
                           method, path, json.dumps(headers)], capture_output=True, text=True,
                          timeout=60)
    if done.returncode != 0:
        raise AssertionError(done.stderr)
    return json.loads(done.stdout)


class TokenTestCase(FaasdTestCase):
    TOKEN = "correct-horse-battery-staple"

    def token_file(self, text=TOKEN + "\n", mode=0o600):
        file = tempfile.NamedTemporaryFile("w", prefix="token-")
        self.addCleanup(file.close)
        file.write(text)
        file.flush()
        os.chmod(file.name, mode)
        return file.name


class TheUnixSocket(FaasdTestCase):
    def test_answers_root_without_a_token(self):
        faasd = self.start()
        self.assertEqual(call_as(0, "unix", faasd.socket)["status"], 200)

    def test_A1_is_closed_to_another_uid_by_its_mode(self):
        faasd = self.start()
        for directory in (faasd.directory, os.path.dirname(faasd.directory)):
            os.chmod(directory, 0o755)  # so that only the daemon's own modes decide
        self.assertEqual(call_as(NOBODY, "unix", faasd.socket), {"errno": 13})

    def test_has_mode_0660(self):
        faasd = self.start()
        self.assertEqual(os.stat(faasd.socket).st_mode & 0o777, 0o660)

    def test_A1_asks_the_kernel_even_where_the_mode_lets_a_caller_in(self):
        faasd = self.start()
        for directory in (os.path.dirname(faasd.directory), faasd.directory, faasd.run_dir):
            os.chmod(directory, 0o755)
        os.chmod(faasd.socket, 0o666)
        self.assertEqual(call_as(NOBODY, "unix", faasd.socket)["status"], 403)


class LoopbackTcp(TokenTestCase):
    def test_answers_root_without_a_token(self):
        faasd = self.start()
        self.assertEqual(call_as(0, "tcp", faasd.listen)["status"], 200)

    def test_A2_refuses_another_uid_with_403_and_changes_nothing(self):
        faasd = self.start()
        faasd.deploy("hello")
        for method, path in (("GET", "/api/list"), ("DELETE", "/v1/functions/hello"),
                             ("POST", "/api/new"), ("PUT", "/v1/functions/other")):
            with self.subTest(method=method, path=path):
                answer = call_as(NOBODY, "tcp", faasd.listen, method, path)
                self.assertEqual(answer["status"], 403)
                self.assertIn("code", json.loads(answer["body"]))
        self.assertEqual(list(faasd.api("GET", "/api/list")[2]), ["hello"])

    def test_A2_takes_the_right_token_from_another_uid(self):
        faasd = self.start("--token-file", self.token_file())
        answers = {token: call_as(NOBODY, "tcp", faasd.listen, token=token)["status"]
                   for token in (self.TOKEN, "wrong", self.TOKEN + "x", self.TOKEN[:-1])}
        self.assertEqual(answers, {self.TOKEN: 200, "wrong": 401, self.TOKEN + "x": 401,
                                   self.TOKEN[:-1]: 401})

    def test_A2_asks_another_uid_for_a_token_where_one_is_set(self):
        faasd = self.start("--token-file", self.token_file())
        self.assertIn(call_as(NOBODY, "tcp", faasd.listen)["status"], (401, 403))

    def test_A5_refuses_a_large_body_before_it_is_read(self):
        # A caller without right is not worth a byte of disk: its answer comes although it announced
        # 10 GiB and sent none of them.
        faasd = self.start()
        for headers in ({}, {"Expect": "100-continue"}):
            with self.subTest(headers=headers):
                answer = call_as(NOBODY, "tcp", faasd.listen, "POST", "/api/new", headers={
                    "Content-Length": str(10 << 30), "X-Image-Name": "x", **headers})
                self.assertEqual(answer["status"], 403)


class AnAddressThatIsNotLoopback(TokenTestCase):
    def run_refused(self, *flags):
        faasd = self.start(*flags, wait=False, prefix=("unshare", "-n"))
        status = faasd.wait_exit()
        faasd.expected_status = status
        return status, faasd.log.tail()

    def test_A2_needs_a_token_file(self):
        status, log = self.run_refused("--listen", "0.0.0.0:0")
        self.assertNotEqual(status, 0)
        self.assertIn("--token-file", log)

    def test_A2_asks_everybody_for_the_token_root_too(self):
        faasd = self.start("--listen", "0.0.0.0:0", "--subnet", "10.62.0.0/24", "--token-file",
                           self.token_file(), prefix=("unshare", "-n"))
        address = faasd.deploy("hello")  # its function gives that namespace an address
        where = f"{address}:{faasd.listen.rpartition(':')[2]}"
        inside = ("nsenter", "-t", str(faasd.process.pid), "-n")
        answers = {token: call_as(0, "tcp", where, token=token, prefix=inside)["status"]
                   for token in ("", "wrong", self.TOKEN)}
        self.assertEqual(answers, {"": 401, "wrong": 401, self.TOKEN: 200})

    def test_refuses_an_empty_token_file(self):
        status, log = self.run_refused("--listen", "0.0.0.0:0", "--token-file",
                                       self.token_file("\n"))
        self.assertNotEqual(status, 0)
        self.assertIn("token", log)

    def test_names_a_token_file_that_is_not_there(self):
        status, log = self.run_refused("--token-file", "/nowhere/token")
        self.assertNotEqual(status, 0)
        self.assertIn("/nowhere/token", log)


class TheDirectories(FaasdTestCase):
    def test_S2_of_state_and_bundles_are_closed_to_others(self):
        faasd = self.start()
        faasd.deploy("hello", HELLO_TAR)
        self.assertEqual(os.stat(faasd.state_dir).st_mode & 0o077, 0)
        # The control socket lies in the run directory, so others may pass through it, not look.
        self.assertEqual(os.stat(faasd.run_dir).st_mode & 0o066, 0)


if __name__ == "__main__":
    unittest.main()
