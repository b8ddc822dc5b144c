"""`faas doctor` on this host, with and without a daemon."""

import json
import os
import shutil
import subprocess
import tempfile
import unittest

from faasd_process import PATH, FaasdTestCase, binary


def doctor(*arguments):
    done = subprocess.run([binary("faas"), "doctor", *arguments], capture_output=True, text=True,
                          env={"PATH": PATH, "LANG": "C.UTF-8"}, timeout=60)
    return done.returncode, done.stdout, done.stderr


class TheDoctor(FaasdTestCase):
    def test_finds_this_host_fit_for_what_the_other_tests_do(self):
        with tempfile.TemporaryDirectory(prefix="s-") as state:
            status, text, _ = doctor("--json", "--socket", "/nowhere/s.sock", "--state-dir", state)
        answer = json.loads(text)
        failed = [check for check in answer["checks"] if check["outcome"] == "fail"]
        self.assertEqual((failed, status, answer["ok"]), ([], 0, True))

    def test_knows_a_daemon_that_runs_from_one_that_does_not(self):
        faasd = self.start()
        with_it = json.loads(doctor("--json", "--socket", faasd.socket)[1])
        without = json.loads(doctor("--json", "--socket", "/nowhere/s.sock")[1])
        self.assertNotEqual(with_it["checks"], without["checks"])

    def test_names_a_runtime_that_is_not_there_and_what_to_do(self):
        status, text, _ = doctor("--json", "--runc", "/nowhere/runc")
        self.assertEqual(status, 1)
        check = next(check for check in json.loads(text)["checks"] if check["outcome"] == "fail")
        self.assertIn("/nowhere/runc", json.dumps(check))
        self.assertTrue(check["remedy"])

    def runtime(self, answer):
        """A program that says this of its version."""
        directory = tempfile.mkdtemp(prefix="r-")
        self.addCleanup(shutil.rmtree, directory)
        path = os.path.join(directory, "runc")
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"#!/bin/sh\necho {answer}\n")
        os.chmod(path, 0o755)
        return path

    def test_E8_a_runc_with_known_holes_is_named_by_the_doctor_and_at_the_start(self):
        path = self.runtime("runc version 1.1.5")
        status, text, _ = doctor("--json", "--runc", path)
        self.assertEqual(status, 1)
        checks = {check["name"]: check for check in json.loads(text)["checks"]}
        self.assertEqual(checks["runc CVE-2024-21626"]["outcome"], "fail")
        logged = {event["hole"]: event for event in
                  self.start("--launcher", path).log.find("runtime_hole")}
        named = {name.removeprefix("runc "): check for name, check in checks.items()
                 if name.startswith("runc CVE-")}
        self.assertEqual(sorted(logged), sorted(named))
        for hole, event in logged.items():
            self.assertEqual((event["finding"], event["remedy"]),
                             (named[hole]["finding"], named[hole]["remedy"]))
            self.assertRegex(event["remedy"], "upgrade runc to .*; until then .*out of reach")

    def test_E8_a_runtime_that_nobody_examined_is_named_at_the_start(self):
        for answer, word in (("crun version 1.8", "crun version 1.8"),
                             ("runc version 1.0.3", "cannot run our containers")):
            holes = self.start("--launcher", self.runtime(answer)).log.find("runtime_hole")
            self.assertIn(word, holes[0]["finding"])
        self.assertEqual(
            self.start("--launcher", self.runtime("runc version 9.0.0")).log.find("runtime_hole"),
            [])

    def test_changes_nothing(self):
        with tempfile.TemporaryDirectory(prefix="s-") as directory:
            state = os.path.join(directory, "state")
            doctor("--state-dir", state)
            self.assertEqual(os.listdir(directory), [])


if __name__ == "__main__":
    unittest.main()
