"""Python in containers that branch from a snapshot: handlers/python with --mode branched.

What a branch is, whatever the language, is in branched_test.py.
"""

import unittest

import handlers_test
import readme_test


def wait_for_snapshot(faasd, name):
    faasd.log.wait_until(lambda: faasd.describe(name)["snapshot"].startswith("ready"),
                         lambda: f"the snapshot is {faasd.describe(name)['snapshot']}")


class BranchedHandler(handlers_test.OnABase):
    language = "python"

    def branched(self, faasd, mode):
        address = faasd.deploy(mode, self.archive, "-e", f"MODE={mode}", "--mode", "branched")
        wait_for_snapshot(faasd, mode)
        return address

    def test_has_its_modules_and_nothing_of_another_request(self):
        for launcher in ("runc", "native"):
            with self.subTest(launcher):
                faasd = self.start("--launcher", launcher)
                address = self.branched(faasd, "branch")
                replies = [self.ask_json(address) for _ in range(3)]
                for reply in replies:
                    self.assertEqual(reply["same"], {
                        "count": 1, "heard": ["before", "after"], "pid": 1, "found": ["a thread"],
                        "child": "a child\n", "asyncio": "waited", "environment": "branch",
                        "main": 1})
                for drawn in zip(*(reply["new"] for reply in replies)):
                    self.assertEqual(len(set(drawn)), 3, drawn)
                faasd.log.wait_until(lambda: len(faasd.log.find("receipt")) == 3, "some miss")
                self.assertEqual({receipt["start"] for receipt in faasd.log.find("receipt")},
                                 {"branched"})

    def test_may_be_a_wsgi_application(self):
        faasd = self.start()
        reply = self.ask(self.branched(faasd, "wsgi"), "/a", b"body", {"X-Word": "word"})
        self.assertEqual((reply.status, reply.text), (201, b"POST /a  word body"))
        faasd.log.wait_for("receipt", start="branched", outcome="ok")


class BranchedScripts(handlers_test.PythonScripts):
    def deploy_base(self, faasd=None):
        faasd = faasd or self.start()
        address = faasd.deploy("base", self.base_tar, "--mode", "branched")
        wait_for_snapshot(faasd, "base")
        return address


class TheDocument(readme_test.AReadme):
    def test_has_commands_that_run(self):
        self.run_commands("docs/BRANCHES.md", built=handlers_test.bases("python"))


if __name__ == "__main__":
    unittest.main()
