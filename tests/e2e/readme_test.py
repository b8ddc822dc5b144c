"""The commands of README.md run, in the order in which they stand."""

import os
import re
import shutil
import subprocess
import tempfile
import unittest

import docker_engine
import faasd_process
from faasd_process import FaasdTestCase

# Commands that are about the whole machine; the test suite and its reader run them otherwise.
ELSEWHERE = re.compile(r"^(sudo )?(\./run\.sh|\./test\.sh|git clone|cd |apt|cmake|systemctl|kill)")


def shell_blocks(path):
    """The fenced blocks marked `sh`, without what runs elsewhere."""
    with open(os.path.join(faasd_process.ROOT, path), encoding="utf-8") as file:
        blocks = re.findall(r"^```sh\n(.*?)^```", file.read(), re.MULTILINE | re.DOTALL)
    kept = ["".join(line for line in block.splitlines(keepends=True) if not ELSEWHERE.match(line))
            for block in blocks]
    return [block for block in kept if block.strip()]


class AReadme(FaasdTestCase):
    def run_commands(self, path, deployed=(), built=()):
        """`built`: base images, each on those before it, whose build would only take long."""
        blocks = shell_blocks(path)
        builds = [f"docker build -t {base.name} -f handlers/{base.dockerfile} handlers\n"
                  for base in built]
        for line in builds:
            self.assertIn(line, "".join(blocks))
            blocks = [block.replace(line, "") for block in blocks]
        self.assertGreater(len(blocks), 0, f"no ```sh block with a command in {path}")
        faasd = self.start()
        for name in deployed:
            faasd.deploy(name)
        with tempfile.TemporaryDirectory(prefix="m-") as directory:
            engine = docker_engine.DockerEngine(os.path.join(directory, "engine"))
            self.addCleanup(engine.stop)
            environment = self.environment(faasd, directory, engine, blocks)
            self.assertIsNotNone(environment)
            for at, base in enumerate(built):
                archive = engine.image_tar(base.context, base.dockerfile, built[:at])
                loaded = engine.load(archive).strip().removeprefix("Loaded image: ")
                engine.client("tag", loaded, base.name)
            for block in blocks:
                with self.subTest(commands=block):
                    done = subprocess.run(["bash", "-euo", "pipefail", "-c", block],
                                          cwd=faasd_process.ROOT, env=environment,
                                          stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                          timeout=300)
                    self.assertEqual(done.returncode, 0,
                                     f"{done.stdout}\n{done.stderr}\n{faasd.log.tail()}")
            engine.stop()

    def environment(self, faasd, directory, engine, blocks):
        """PATH with our binaries and a `sudo` that just runs its command; a `curl` that minds the
        status, and finds our daemon where everybody's is; Docker if it is asked."""
        shims = os.path.join(directory, "bin")
        os.mkdir(shims)
        self.shim(shims, "sudo", 'exec "$@"\n')
        curl = shutil.which("curl", path=faasd_process.PATH)
        self.shim(shims, "curl", f'exec {curl} --fail-with-body '
                  f'--connect-to 127.0.0.1:8080:{faasd.listen} "$@"\n')
        environment = {"PATH": f"{shims}:{faasd_process.BIN}:{faasd_process.PATH}",
                       "FAAS_SOCKET": faasd.socket, "LANG": "C.UTF-8", "HOME": directory}
        if any("docker" in block for block in blocks):
            try:
                engine.start()
                engine.client("import", str(docker_engine.base_tar()), docker_engine.BASE_IMAGE)
            except docker_engine.Unavailable as reason:
                self.skipTest(f"the commands need Docker, and no engine can run here: {reason}")
            # With our engine; a build gets the host's network, since the engine has none.
            docker = shutil.which("docker", path=faasd_process.PATH)
            self.shim(shims, "docker", (
                f'export DOCKER_BUILDKIT=0 DOCKER_HOST=unix://{engine.socket}\n'
                f'[ "$1" != build ] || {{ shift; set -- build --network host "$@"; }}\n'
                f'exec {docker} "$@"\n'))
        return environment

    @staticmethod
    def shim(directory, name, script):
        path = os.path.join(directory, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write("#!/bin/sh\n" + script)
        os.chmod(path, 0o755)


class TheReadme(AReadme):
    def test_has_commands_that_run(self):
        self.run_commands("README.md", ["hello"])  # as run.sh leaves it


if __name__ == "__main__":
    unittest.main()
