"""What the tests of the real `faas` share: how it is started, and a daemon of the test's own.

FAAS names the binary, if it is not that of the release build.
"""

import os
import shutil
import subprocess
import tempfile
import unittest

from fake_daemon import FakeDaemon

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FAAS = os.environ.get("FAAS") or os.path.join(ROOT, "build", "release", "bin", "faas")
# Far more than anything here takes; only a hang reaches it.
DEADLINE_SECONDS = 60
MIB = 1 << 20

FUNCTION = {
    "name": "hello", "ip": "127.77.0.10", "port": 80, "version": 3,
    "image": "sha256:0123456789abcdef" + "0" * 48, "rootfs": "/var/lib/faasd/images/01/rootfs",
    "cmd": ["/hello", "a b"], "mode": "ephemeral", "launcher": "runc", "protocol": "http",
    "warm": 0, "created_at": "2025-01-01T00:00:00Z", "env": ["A=1"],
    "limits": {"memory_bytes": 268435456, "cpus": 1.0, "pids": 128, "timeout_ms": 30000,
               "concurrency": 64, "queue": 256, "queue_timeout_ms": 10000,
               "tmpfs_bytes": 67108864, "open_files": 1024, "file_size_bytes": 1073741824,
               "output_bytes": 131072},
    "live": 1, "parked": 2, "queued": 3, "invocations": 42,
    "config": {"entrypoint": ["/hello"], "cmd": ["a b"], "env": ["PATH=/bin"], "working_dir": "/",
               "user": "", "architecture": "amd64", "os": "linux",
               "labels": {"evil": "\u001b[2Jgone\u0007"}},
}


def environment(**extra):
    kept = {key: value for key, value in os.environ.items() if not key.startswith("FAAS")}
    # In a sanitizer's build, freed memory is kept for a while; not for longer than it is measured.
    return {**kept, "TERM": "xterm", "ASAN_OPTIONS": "quarantine_size_mb=1", **extra}


def faas(*arguments, env=None, **options):
    if "input" not in options:
        options.setdefault("stdin", subprocess.DEVNULL)
    options.setdefault("stdout", subprocess.PIPE)
    return subprocess.run([FAAS, *arguments], env=env or environment(), timeout=DEADLINE_SECONDS,
                          stderr=subprocess.PIPE, **options)


def start(*arguments, **options):
    options.setdefault("stdout", subprocess.PIPE)
    options.setdefault("stderr", subprocess.PIPE)
    return subprocess.Popen([FAAS, *arguments], env=environment(), **options)


class CliTest(unittest.TestCase):
    def setUp(self):
        self.directory = self.enterContext(tempfile.TemporaryDirectory())

    def daemon(self, tcp=False, **handlers):
        return self.enterContext(FakeDaemon(None if tcp else self.directory, **handlers))

    def check(self, result, code, stderr=""):
        self.assertEqual(result.returncode, code, result)
        self.assertIn(stderr, result.stderr.decode())

    def tarball(self, size):
        path = os.path.join(self.directory, "image.tar")
        with open(path, "wb") as file:
            file.truncate(size)
        return path

    def binary_for_everybody(self):
        """A copy: the build directory may be closed to other users."""
        os.chmod(self.directory, 0o755)
        path = os.path.join(self.directory, "faas")
        shutil.copyfile(FAAS, path)
        os.chmod(path, 0o755)
        return path
