"""What is made of a script at its upload, and where it is kept."""

import hashlib
import os
import signal
import socket
import subprocess
import tempfile
import unittest

from script_case import ScriptTestCase


class CompiledScriptTest(ScriptTestCase):
    """TypeScript: compiled at the upload, once."""

    languages = ("typescript",)

    def test_an_upload_is_compiled_and_runs_as_often_as_it_is_called(self):
        faasd = self.start_with_languages()
        code = ("interface In { n: number }\nenum Step { One = 1 }\n"
                "const e = event as In;\nreturn e.n + await Promise.resolve(Step.One)")
        upload = {"path": "ts", "language": "ts", "code": code}
        status, _, data = self.post(faasd, "/upload", upload)
        self.assertEqual((status, data["language"]), (200, "typescript"), data)
        for n in (1, 2):
            self.assertEqual(self.post(faasd, "/run/ts", {"input": {"n": n}})[2],
                             {"data": n + 1, "type": "number"})
        self.assertEqual(len(self.receipts(faasd, "typescript", 3)), 3)  # compiled once, run twice
        self.assertEqual(self.run_now(faasd, "typescript", code, input={"n": 5}),
                         {"data": 6, "type": "number"})

    def test_what_does_not_compile_is_refused_at_the_upload_with_its_place(self):
        faasd = self.start_with_languages()
        upload = {"path": "bad", "language": "typescript",
                  "code": "const a: number = 1;\nlet ü = = 2"}
        status, _, data = self.post(faasd, "/upload", upload)
        self.assertEqual((status, data["code"], data["line"], data["column"]),
                         (400, "compile_failed", 2, 9), data)
        self.assertEqual(self.post(faasd, "/run/bad", {})[0], 404)
        answer = self.run_now(faasd, "typescript", upload["code"], status=500)
        self.assertEqual((answer["line"], answer["column"]), (2, 9))

    def test_an_error_has_the_users_line(self):
        faasd = self.start_with_languages()
        upload = {"path": "throws", "language": "typescript",
                  "code": "type A = {\n  a: string\n}\nthrow new Error('no luck' as string)"}
        self.assertEqual(self.post(faasd, "/upload", upload)[0], 200)
        status, _, data = self.post(faasd, "/run/throws", {})
        self.assertEqual((status, data["error"], data["line"]), (500, "Error: no luck", 4))


class RedisTest(ScriptTestCase):
    """Scripts in a Redis, as go-faas keeps them."""

    languages = ("python",)

    def redis(self, *words):
        return subprocess.run(["redis-cli", "-s", self.redis_socket, *words], check=True,
                              capture_output=True, text=True).stdout.strip()

    def start_redis(self):
        directory = self.enterContext(tempfile.TemporaryDirectory(prefix="s-"))
        self.redis_socket = os.path.join(directory, "redis.sock")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        server = subprocess.Popen(
            ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--unixsocket",
             self.redis_socket, "--save", "", "--dir", directory, "--requirepass", "se cret"],
            stdout=subprocess.PIPE, text=True)
        self.addCleanup(server.stdout.close)
        self.addCleanup(server.wait)
        self.addCleanup(server.kill)
        for line in server.stdout:
            if "Ready to accept connections" in line:
                break
        os.environ["REDISCLI_AUTH"] = "se cret"
        self.addCleanup(os.environ.pop, "REDISCLI_AUTH")
        return server

    def test_data_of_go_faas_is_served_and_its_server_may_come_and_go(self):
        server = self.start_redis()
        faasd = self.start_with_languages(env={
            "REDIS_HOST": "127.0.0.1", "REDIS_PORT": str(self.port), "REDIS_PASSWORD": "se cret",
            "REDIS_DB": "2"})
        path = "a/ü"
        key = hashlib.md5(path.encode()).hexdigest()
        for words in (("HSET", f"meta:{key}", "path", path, "language", "python", "latest", "7"),
                      ("SET", f"code:{key}:7", "return event + 1"),
                      ("SADD", f"meta:{key}:version", "7")):
            self.redis("-n", "2", *words)
        self.assertEqual(self.post(faasd, "/run/a/%C3%BC", {"input": 1})[2]["data"], 2)
        version = self.post(faasd, "/upload", {"path": path, "language": "python",
                                               "code": "return 9"})[2]["version"]
        self.assertEqual(self.redis("-n", "2", "GET", f"code:{key}:{version}"), "return 9")
        self.assertEqual(self.redis("-n", "2", "HGET", f"meta:{key}", "latest"), str(version))
        server.send_signal(signal.SIGSTOP)
        status, headers, data = self.post(faasd, "/run/a/%C3%BC", {})
        self.assertEqual((status, data["code"]), (503, "store_unavailable"))
        self.assertNotIn("se cret", data["error"])
        self.assertIn("Retry-After", headers)
        # What needs no store goes on.
        self.assertEqual(self.run_now(faasd, "python", "return 1")["data"], 1)
        server.send_signal(signal.SIGCONT)
        faasd.log.wait_until(lambda: self.post(faasd, "/run/a/%C3%BC", {})[0] == 200,
                             "it does not come back")
        self.assertNotIn("se cret", "".join(faasd.log.raw))


if __name__ == "__main__":
    unittest.main()
