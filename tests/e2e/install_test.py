"""`cmake --install` puts everything where a distribution expects it, and it runs from there."""

import os
import subprocess
import tempfile
import unittest

import faasd_process

EXPECTED = (
    "bin/faasd",
    "bin/faas",
    "libexec/faasd/faas-receive",
    "libexec/faasd/faas-branch",
    "libexec/faasd/faas-execute",
    "libexec/faasd/faas-freeze",
    "libexec/faasd/faasd-launcher",
    "lib/systemd/system/faasd.service",
    "share/man/man1/faas.1",
    "share/man/man1/faas-pack.1",
    "share/man/man8/faasd.8",
    "share/bash-completion/completions/faas",
    "share/zsh/vendor-completions/_faas",
    "share/fish/vendor_completions.d/faas.fish",
    "share/doc/faasd/LICENSE",
    "share/faasd/handlers/make-image",
    "share/faasd/handlers/python/language.json",
)


class AnInstallation(unittest.TestCase):
    def test_has_programs_unit_manuals_and_completions(self):
        build = os.path.join(faasd_process.ROOT, "build", "release")
        with tempfile.TemporaryDirectory(prefix="p-") as prefix:
            subprocess.run(["cmake", "--install", build, "--prefix", prefix], check=True,
                           capture_output=True, timeout=60)
            missing = [path for path in EXPECTED if not os.path.exists(os.path.join(prefix, path))]
            self.assertEqual(missing, [])
            for program in ("faasd", "faas"):
                done = subprocess.run([os.path.join(prefix, "bin", program), "--version"],
                                      capture_output=True, text=True, timeout=60)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertRegex(done.stdout, rf"\A{program} \d+\.\d+\.\d+\n\Z")
            asked = subprocess.run([os.path.join(prefix, "bin", "faas"), "runtime", "install", "?"],
                                   capture_output=True, text=True, timeout=60)
            self.assertRegex(asked.stderr, "these are: .*python")
            with open(os.path.join(prefix, "lib/systemd/system/faasd.service"),
                      encoding="utf-8") as unit:
                text = unit.read()
            self.assertIn("Type=notify", text)
            self.assertNotIn("@", text, "a variable of the build that nobody filled in")


if __name__ == "__main__":
    unittest.main()
