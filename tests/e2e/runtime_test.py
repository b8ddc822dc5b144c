"""Languages as `faas runtime` installs them: an image that is made without Docker is like the one
that Docker makes of the same Dockerfile."""

import os
import shutil
import tempfile
import unittest

from script_case import ScriptTestCase

MAKE_S = 600  # a mirror of Debian may be slow
# What a script sees of its image: its process, and the files of the wrapper.
LOOK = """
import hashlib, os, pathlib, sys
files = {}
for path in sorted(pathlib.Path("/usr/lib/faas").rglob("*")):
    st = path.lstat()
    files[str(path)] = [oct(st.st_mode), st.st_uid, st.st_gid]
    if path.suffix == ".py":
        files[str(path)].append(hashlib.sha256(path.read_bytes()).hexdigest())
return {
    "cmdline": pathlib.Path("/proc/1/cmdline").read_text(),
    "cwd": os.getcwd(), "ids": [os.getresuid(), os.getresgid(), os.getgroups()],
    "env": dict(os.environ), "version": sys.version, "path": sys.path, "files": files,
    "programs": [os.path.exists(name) for name in ("/usr/bin/pip3", "/usr/bin/apt-get")],
}
"""


class AnImageWithoutDocker(ScriptTestCase):
    languages = ("python",)
    maxDiff = None

    def setUp(self):
        super().setUp()
        if os.geteuid() != 0 or shutil.which("mmdebstrap") is None:
            self.skipTest("an image without Docker needs root and mmdebstrap (Debian package)")
        self.temporary = self.enterContext(tempfile.TemporaryDirectory(prefix="r-"))

    def runtime(self, faasd, *arguments):
        environment = {"TMPDIR": self.temporary, "DOCKER_HOST": "unix:///nonexistent"}
        done = faasd.faas("runtime", *arguments, env=environment, timeout_s=MAKE_S, check=True)
        self.assertEqual(os.listdir(self.temporary), [], "something was left behind")
        return done

    def test_behaves_like_that_of_docker(self):
        faasd = self.start()
        self.runtime(faasd, "install", "python", "-f", self.archives["python"])
        by_docker = faasd.describe("python")
        seen_by_docker = self.run_now(faasd, "python", LOOK)["data"]

        done = self.runtime(faasd, "install", "python")
        self.assertIn("no Docker engine answers", done.stderr)
        self.assertIn("RUN apt-get update", done.stderr)
        without = faasd.describe("python")
        self.assertEqual((without["version"], without["limits"]["concurrency"]), (2, 1024))
        self.assertNotEqual(without["image"], by_docker["image"])
        self.assertEqual(without["cmd"], by_docker["cmd"])
        for field in ("entrypoint", "cmd", "env", "working_dir", "user", "architecture", "os"):
            self.assertEqual(without["config"][field], by_docker["config"][field], field)
        self.assertEqual(self.run_now(faasd, "python", LOOK)["data"], seen_by_docker)

        self.runtime(faasd, "rm", "python")
        self.assertEqual(self.runtime(faasd, "list").stdout.count("\n"), 1)


if __name__ == "__main__":
    unittest.main()
