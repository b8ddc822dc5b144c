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


def shell_blocks():
    """The fenced blocks of README.md marked `sh`, without what runs elsewhere."""
    with open(os.path.join(faasd_process.ROOT, "README.md"), encoding="utf-8") as file:
        blocks = re.findall(r"^```sh\n(.*?)^```", file.read(), re.MULTILINE | re.DOTALL)
    kept = ["".join(line for line in block.splitlines(keepends=True) if not ELSEWHERE.match(line))
            for block in blocks]
    return [block for block in kept if block.strip()]


class TheReadme(FaasdTestCase):
    def test_has_commands_that_run(self):
        blocks = shell_blocks()
        self.assertGreater(len(blocks), 0, "no ```sh block with a command in README.md")
        faasd = self.start()
        faasd.deploy("hello")  # as run.sh leaves it
        with tempfile.TemporaryDirectory(prefix="m-") as directory:
            engine = docker_engine.DockerEngine(os.path.join(directory, "engine"))
            self.addCleanup(engine.stop)
            environment = self.environment(faasd, directory, engine, blocks)
            self.assertIsNotNone(environment)
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
        """PATH with our binaries and a `sudo` that just runs its command; Docker if it is asked."""
        shims = os.path.join(directory, "bin")
        os.mkdir(shims)
        with open(os.path.join(shims, "sudo"), "w", encoding="utf-8") as file:
            file.write('#!/bin/sh\nexec "$@"\n')
        os.chmod(file.name, 0o755)
        environment = {"PATH": f"{shims}:{faasd_process.BIN}:{faasd_process.PATH}",
                       "FAAS_SOCKET": faasd.socket, "LANG": "C.UTF-8", "HOME": directory}
        if any("docker" in block for block in blocks):
            try:
                engine.start()
                engine.client("import", str(docker_engine.base_tar()), docker_engine.BASE_IMAGE)
            except docker_engine.Unavailable as reason:
                self.skipTest(f"README.md needs Docker, and no engine can run here: {reason}")
            self.wrap_docker(shims, engine)
        return environment

    @staticmethod
    def wrap_docker(shims, engine):
        """`docker` with our engine; a build gets the host's network, since the engine has none."""
        docker = shutil.which("docker", path=faasd_process.PATH)
        with open(os.path.join(shims, "docker"), "w", encoding="utf-8") as file:
            file.write(f'#!/bin/sh\nexport DOCKER_BUILDKIT=0 DOCKER_HOST=unix://{engine.socket}\n'
                       f'[ "$1" != build ] || {{ shift; set -- build --network host "$@"; }}\n'
                       f'exec {docker} "$@"\n')
        os.chmod(file.name, 0o755)


if __name__ == "__main__":
    unittest.main()
