"""What unpacks an image: faasd, and the programs that it is compared with.

Each has `name`, `reads` (the files that it reads), `prepare` and `clean` (not timed), and `run`,
which is. ToolError: this one cannot be measured here, the text says why. All write below one
directory, so to one disk. One thread.
"""

import os
import shutil
import subprocess
import tempfile

import disk
import docker_engine
from faasd_process import PATH, Faasd

LAST_CHARACTERS = 300  # of what a tool said when it failed
PATIENCE_S = 600


class ToolError(Exception):
    """The text says what is missing, or what the tool said."""


def run_tool(*arguments, directory):
    """PATH has root's places; large temporary files stay on the disk that is measured."""
    program = shutil.which(arguments[0], path=PATH)
    if program is None:
        raise ToolError(f"{arguments[0]} is not installed")
    done = subprocess.run([program, *arguments[1:]], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, errors="replace", timeout=PATIENCE_S, check=False,
                          env={"PATH": PATH, "TMPDIR": directory, "HOME": directory})
    if done.returncode != 0:
        said = (done.stdout + done.stderr).strip()[-LAST_CHARACTERS:]
        raise ToolError(f"{arguments[0]}: exit status {done.returncode}: {said}")


class Unpacker:
    def __init__(self, name, directory, reads):
        self.name = name
        self.reads = reads
        self.directory = tempfile.mkdtemp(prefix="u-", dir=directory)
        self._out = os.path.join(self.directory, "out")

    def prepare(self):
        os.mkdir(self._out)

    def clean(self):
        disk.remove(self._out)

    def close(self):
        disk.remove(self.directory)


class FaasNew(Unpacker):
    """`faas new NAME -f FILE` on a daemon whose state directory is empty."""

    def __init__(self, name, directory, archive, left):
        super().__init__(name, directory, [archive])
        self._left = left
        self.faasd = None

    def prepare(self):
        super().prepare()
        self.faasd = Faasd(directory=self._out)

    def run(self):
        self.faasd.faas("new", "app", "-f", self.reads[0], check=True, timeout_s=PATIENCE_S)

    def clean(self):
        faasd, self.faasd = self.faasd, None
        if faasd is not None:
            end_daemon(faasd, self._left)
        super().clean()


def end_daemon(faasd, left):
    """Ends a daemon; what it leaves on the machine, and a bad exit status, are added to `left`.
    It may have a tree to remove first, which takes longer than any test waits."""
    faasd.terminate()
    faasd.process.wait(PATIENCE_S)
    status = faasd.stop()
    left += faasd.leftovers()
    if status != 0:
        left.append(f"faasd ended with status {status}: {faasd.log.tail(3)}")
    faasd.destroy()


class Tar(Unpacker):
    """`tar x` of each layer into one directory: the least that anybody can do. It knows neither
    whiteouts nor digests."""

    def run(self):
        for layer in self.reads:
            run_tool("tar", "-x", "-f", layer, "-C", self._out, directory=self.directory)


class DockerLoad(Unpacker):
    """Into an engine that never held an image. It is started before, and ended with its disk."""

    def __init__(self, directory, archive):
        super().__init__("docker load", directory, [archive])
        self._engine = docker_engine.DockerEngine(self._out)

    def prepare(self):
        super().prepare()
        self._call(self._engine.start)

    def run(self):
        self._call(self._engine.load, self.reads[0])

    def clean(self):
        self._engine.stop()
        super().clean()

    @staticmethod
    def _call(function, *arguments):
        try:
            return function(*arguments)
        except (docker_engine.Unavailable, docker_engine.EngineError) as error:
            raise ToolError(str(error)[-LAST_CHARACTERS:]) from None


class SkopeoAndUmoci(Unpacker):
    """To an OCI layout, whose layers skopeo packs unless told otherwise, and from there to disk."""

    def __init__(self, directory, archive):
        super().__init__("skopeo copy + umoci unpack", directory, [archive])

    def run(self):
        layout = os.path.join(self._out, "layout")
        run_tool("skopeo", "--insecure-policy", "copy", "-q", f"docker-archive:{self.reads[0]}",
                 f"oci:{layout}:app", directory=self.directory)
        run_tool("umoci", "unpack", "--image", f"{layout}:app", os.path.join(self._out, "bundle"),
                 directory=self.directory)


class PodmanLoad(Unpacker):
    """With a storage of its own, of overlay where that works here."""

    def __init__(self, directory, archive):
        super().__init__("podman load", directory, [archive])
        self._driver = None

    def prepare(self):
        super().prepare()
        if self._driver is None:
            self._driver = self._first_that_works()
            self.name = f"podman load ({self._driver})"
            disk.remove(self._out)  # a storage keeps the driver that made it
            super().prepare()

    def _first_that_works(self):
        try:
            self._podman("overlay", "info")
            return "overlay"
        except ToolError:
            self._podman("vfs", "info")
            return "vfs"

    def run(self):
        self._podman(self._driver, "load", "-q", "-i", self.reads[0])

    def _podman(self, driver, *arguments):
        # Podman mounts its storage onto itself; with a mount namespace that goes with it.
        if shutil.which("podman", path=PATH) is None:
            raise ToolError("podman is not installed")
        run_tool("unshare", "--mount", "--propagation", "private", "podman",
                 "--root", os.path.join(self._out, "root"),
                 "--runroot", os.path.join(self._out, "run"),
                 "--tmpdir", os.path.join(self._out, "tmp"), "--storage-driver", driver,
                 "--events-backend", "none", *arguments, directory=self.directory)
