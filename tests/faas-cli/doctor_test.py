"""`faas doctor` on this host, with runtimes and a daemon of its own. FAAS names the binary."""

import json
import os
import socket
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from cli_case import CliTest, faas  # noqa: E402


class Doctor(CliTest):
    def examine(self, *words, **options):
        result = faas("doctor", "--json", "--socket", os.path.join(self.directory, "none"), *words,
                      **options)
        report = json.loads(result.stdout)
        failed = [check for check in report["checks"] if check["outcome"] == "fail"]
        self.assertEqual(result.returncode, 1 if failed else 0)
        self.assertEqual(report["ok"], not failed)
        for check in report["checks"]:
            self.assertIn(check["outcome"], ("ok", "warn", "fail"))
            self.assertTrue(check["finding"])
            self.assertEqual(check["outcome"] != "ok", bool(check["remedy"]), check)
            self.assertNotIn("\n", check["finding"] + check["remedy"])
        return {check["name"]: check for check in report["checks"]}

    def runtime(self, text):
        path = os.path.join(self.directory, "runc")
        with open(path, "w", encoding="utf-8") as script:
            script.write(f"#!/bin/sh\n{text}\n")
        os.chmod(path, 0o755)
        return path

    def test_every_question_is_asked_without_a_daemon(self):
        checks = self.examine()
        for name in ("kernel", "namespaces", "isolation", "seccomp", "cgroups", "runc", "memory",
                     "disk", "inodes", "descriptors", "user ids", "subnet", "port", "daemon",
                     "docker"):
            self.assertIn(name, checks)
        self.assertEqual(checks["daemon"]["outcome"], "warn")

    def test_a_runc_with_a_known_hole_is_named(self):
        old = self.examine("--runc", self.runtime("echo runc version 1.1.11"))
        self.assertEqual(old["runc CVE-2024-21626"]["outcome"], "fail")
        self.assertIn("runc CVE-2025-31133", old)
        newer = self.examine("--runc", self.runtime("echo runc version 1.3.2"))
        self.assertNotIn("runc CVE-2024-21626", newer)
        self.assertEqual(newer["runc CVE-2025-52881"]["outcome"], "warn")
        good = self.examine("--runc", self.runtime("echo runc version 1.3.6"))
        self.assertEqual(good["runc holes"]["outcome"], "ok")

    def test_a_runc_that_is_too_old_fails(self):
        old = self.examine("--runc", self.runtime("echo runc version 1.0.3"))["runc"]
        self.assertEqual(old["outcome"], "fail")
        self.assertIn("1.1.0 or later", old["remedy"])

    def test_a_missing_or_odd_runtime_is_said(self):
        self.assertEqual(self.examine("--runc", "/nonexistent/runc")["runc"]["outcome"], "fail")
        odd = self.examine("--runc", self.runtime("printf 'crun \\033[2J\\n'"))["runc"]
        self.assertEqual(odd["outcome"], "warn")
        self.assertIn("crun \\x1b[2J", odd["finding"])

    def test_a_runtime_that_floods_its_output_is_cut_off(self):
        flood = self.runtime("echo runc version 1.3.3; exec cat /dev/zero")
        self.assertIn("runc", self.examine("--runc", flood))

    def test_a_runtime_that_hangs_is_given_up(self):
        check = self.examine("--runc", self.runtime("exec tail -f /dev/null"))["runc"]
        self.assertEqual(check["outcome"], "fail")
        self.assertIn("does not answer", check["finding"])

    def test_a_listener_on_every_address_holds_the_port(self):
        with socket.create_server(("0.0.0.0", 0)) as listener:
            port = listener.getsockname()[1]
            check = self.examine("--function-port", str(port))["port"]
        self.assertEqual(check["outcome"], "fail")
        self.assertIn(str(port), check["finding"])

    def test_a_foreign_address_in_the_subnet_is_named(self):
        check = self.examine("--subnet", "127.0.0.0/24")["subnet"]
        self.assertEqual(check["outcome"], "fail")
        self.assertIn("127.0.0.1", check["finding"])
        self.assertEqual(self.examine("--subnet", "x")["subnet"]["outcome"], "fail")

    def test_a_daemon_that_answers_is_good(self):
        version = faas("--version").stdout.decode().split()[1]
        daemon = self.daemon(GET=lambda request: request.answer(200, {"version": version}))
        result = faas("doctor", *daemon.flags)
        self.assertRegex(result.stdout.decode(), rf"ok +daemon +faasd {version} answers at ")

    @unittest.skipIf(os.geteuid() != 0, "becoming another user needs root")
    def test_without_root_it_says_what_it_could_not_check(self):
        checks = self.examine(user=65534, group=65534, extra_groups=[],
                              executable=self.binary_for_everybody())
        self.assertIn("root", checks["isolation"]["finding"])


if __name__ == "__main__":
    unittest.main()
