"""A Docker engine of the tests' own: real `docker build` and `docker save`, nothing left behind.

    with DockerEngine(directory) as engine:
        path = engine.image_tar(repository / "handlers", "python/Dockerfile")

The engine runs in its own mount and pid namespaces, so that its mounts and processes go with it,
even if this process is killed; it starts only when something is not in the cache yet. The cache
(FAASD_TEST_CACHE, else ~/.cache/faasd-tests) holds the Debian base and the saved images.
Raises Unavailable(reason) where no engine can run, EngineError where one fails. One thread, which
must outlive the engine: the kernel ends the engine with it.
"""

from __future__ import annotations

import collections
import contextlib
import ctypes
import fcntl
import hashlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

BASE_IMAGE = "debian:bookworm-slim"
STOP_S = 20.0  # of a SIGKILL, on a busy machine
START_S = 60.0  # ready in about 5 s on an idle machine
CALL_S = 600.0  # one build with packages takes 10 to 70 s
LOG_LINES = 40  # of the engine, kept for the message of a failure
CGROUP_PREFIX = "faasd-tests-"  # then the pid of the test
READY = "API listen on"
PR_SET_PDEATHSIG = 1

# What makes the base like the official slim image: no documents, no package caches.
BASE_OPTIONS = [
    "--variant=apt",
    "--include=ca-certificates",
    *(
        f"--dpkgopt=path-exclude=/usr/share/{name}/*"
        for name in ("doc", "man", "info", "locale", "lintian")
    ),
    '--aptopt=Dir::Cache::pkgcache ""',
    '--aptopt=Dir::Cache::srcpkgcache ""',
    '--aptopt=DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb || true"; }',
]


class Unavailable(Exception):
    """No Docker engine can run here; the text says why. A test skips with it."""


class EngineError(Exception):
    """The engine or its client failed; the text has the end of what they said."""


def cache_directory() -> Path:
    chosen = os.environ.get("FAASD_TEST_CACHE")
    if chosen:
        path = Path(chosen)
    else:
        home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        path = Path(home) / "faasd-tests"
    path.mkdir(parents=True, exist_ok=True)
    return path


class Base(NamedTuple):
    """An image that others are built FROM, and how it is built itself."""

    name: str
    context: str | os.PathLike[str]
    dockerfile: str = "Dockerfile"
    target: str = ""


class DockerEngine:
    """`directory` must be on a real filesystem (overlay2 does not stack on overlayfs); it is made
    if need be, and removed on `stop` if this object made it."""

    def __init__(self, directory: str | os.PathLike[str]) -> None:
        self.directory = Path(directory).absolute()
        self.socket = self.directory / "d.sock"
        self._made_directory = False
        self._process: subprocess.Popen[str] | None = None
        self._log: collections.deque[str] = collections.deque(maxlen=LOG_LINES)
        self._log_reader: threading.Thread | None = None
        self._ready = threading.Event()
        self._cgroup = f"{CGROUP_PREFIX}{os.getpid()}-{id(self):x}"

    def __enter__(self) -> DockerEngine:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    # --- what tests ask for ---

    def image_tar(
        self,
        context: str | os.PathLike[str],
        dockerfile: str = "Dockerfile",
        bases: Sequence[Base] = (),
    ) -> Path:
        """What `docker save` writes for a Dockerfile (named from the context); built at most once
        for the same files. The caller must not change the file. `bases` is what it is FROM besides
        BASE_IMAGE."""
        context = Path(context)
        cache = cache_directory() / "images"
        cache.mkdir(exist_ok=True)
        digest = context_digest(context, dockerfile)
        for base in bases:
            base_digest = context_digest(Path(base.context), base.dockerfile)
            digest = hashlib.sha256(f"{digest} {base_digest}".encode()).hexdigest()
        path = cache / f"{digest}.tar"
        with locked(cache / f"{digest}.lock"):
            if not path.exists():
                for base in bases:
                    self.build(base.context, base.name, base.dockerfile, base.target)
                tag = f"faasd-test:{digest[:32]}"
                self.build(context, tag, dockerfile)
                self.save(tag, path)
        return path

    def build(
        self,
        context: str | os.PathLike[str],
        tag: str,
        dockerfile: str = "Dockerfile",
        target: str = "",
    ) -> None:
        """`target`: a stage of it, the last one unless it is named."""
        path = Path(context, dockerfile)
        self._ensure_base()
        stage = ["--target", target] if target else []
        self.client("build", "--network", "host", *stage, "-t", tag, "-f", str(path), str(context))

    def save(self, tag: str, path: str | os.PathLike[str]) -> None:
        part = f"{os.fspath(path)}.{os.getpid()}.part"
        try:
            self.client("save", "-o", part, tag)
            os.replace(part, path)
        finally:
            Path(part).unlink(missing_ok=True)

    @contextlib.contextmanager
    def save_stream(self, tag: str) -> Iterator[subprocess.Popen[bytes]]:
        """`docker save` with its archive on `stdout`, as for a pipe into `faas new`."""
        self.start()
        command = [*self._client_command(), "save", tag]
        with subprocess.Popen(
            command, env=self._environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
        ) as process:
            try:
                yield process
            finally:
                if process.poll() is None:
                    process.kill()

    def load(self, path: str | os.PathLike[str]) -> str:
        return self.client("load", "-i", os.fspath(path))

    def client(self, *arguments: str) -> str:
        """Runs one `docker …` against this engine and returns its standard output."""
        self.start()
        result = subprocess.run(
            [*self._client_command(), *arguments],
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=CALL_S,
        )
        if result.returncode != 0:
            said = (result.stdout + result.stderr).splitlines()[-LOG_LINES:]
            raise EngineError("\n".join([f"docker {shlex.join(arguments)} failed:", *said]))
        return result.stdout

    # --- the engine's life ---

    def start(self) -> None:
        """Nothing if it runs already."""
        if self._process is not None:
            return
        dockerd = program("dockerd", "docker.io")
        self._client_command()
        if os.geteuid() != 0:
            raise Unavailable("a Docker engine needs root")
        if not self.directory.exists():
            self.directory.mkdir(parents=True, mode=0o700)
            self._made_directory = True
        (self.directory / "config").mkdir(exist_ok=True)
        # fmt: off
        command = [
            program("unshare", "util-linux"), "--mount", "--propagation", "private",
            "--pid", "--fork", "--kill-child=SIGKILL", "--mount-proc",
            dockerd,
            "--data-root", str(self.directory / "root"),
            "--exec-root", str(self.directory / "exec"),
            "--pidfile", str(self.directory / "pid"),
            "--host", f"unix://{self.socket}",
            "--bridge=none", "--iptables=false", "--ip6tables=false", "--ip-forward=false",
            "--exec-opt", "native.cgroupdriver=cgroupfs",
            "--cgroup-parent", f"/{self._cgroup}",
        ]
        # fmt: on
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            preexec_fn=die_with_parent,
        )
        self._log_reader = threading.Thread(target=self._read_log, daemon=True)
        self._log_reader.start()
        self._ready.wait(START_S)
        if not self._is_listening():
            ended = self._process.poll() is not None
            self.stop()
            what = "ended at once" if ended else f"was not ready after {START_S:.0f} s"
            raise EngineError("\n".join([f"dockerd {what}:", *self._log]))

    def stop(self) -> None:
        """Ends the engine and all that it started; leaves no process, mount, cgroup, directory."""
        process, self._process = self._process, None
        if process is not None:
            self._end(process)
        _remove_cgroups(self._cgroup)
        if self._made_directory:
            shutil.rmtree(self.directory)
            self._made_directory = False

    def _end(self, process: subprocess.Popen[str]) -> None:
        # dockerd is the first process of its namespace, so all others die with it, and its mounts
        # go with the last of them. Nothing in its directory is worth a shutdown in good order.
        # unshare(1) ends when dockerd, its only child, has been reaped.
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        with contextlib.suppress(OSError):
            for pid in children.read_text().split():
                os.kill(int(pid), signal.SIGKILL)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()  # it had no child yet
            process.wait()
        if self._log_reader is not None:
            self._log_reader.join()
        if process.stdout is not None:
            process.stdout.close()
        self._ready.clear()

    def _read_log(self) -> None:
        """Ends with the last process that holds the engine's output."""
        process = self._process
        assert process is not None and process.stdout is not None
        for line in process.stdout:
            self._log.append(line.rstrip())
            if READY in line:
                self._ready.set()
        self._ready.set()  # it ended: nobody need wait longer

    def _is_listening(self) -> bool:
        return (
            self._process is not None
            and self._process.poll() is None
            and any(READY in line for line in self._log)
        )

    # --- the client ---

    def _client_command(self) -> list[str]:
        return [program("docker", "docker.io"), "--host", f"unix://{self.socket}"]

    def _environment(self) -> dict[str, str]:
        """BuildKit needs a bridge and a registry; and nobody's own settings matter here."""
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self.directory),
            "DOCKER_CONFIG": str(self.directory / "config"),
            "DOCKER_BUILDKIT": "0",
        }

    def _ensure_base(self) -> None:
        if not self.client("image", "ls", "--quiet", BASE_IMAGE).strip():
            self.client("import", str(base_tar()), BASE_IMAGE)


def base_tar() -> Path:
    """The root filesystem behind `FROM debian:bookworm-slim`, made once: no registry is needed."""
    options = hashlib.sha256("\n".join(BASE_OPTIONS).encode()).hexdigest()[:16]
    path = cache_directory() / f"bookworm-{options}.tar"
    with locked(path.with_suffix(".lock")):
        if not path.exists():
            part = path.with_suffix(".part.tar")
            command = [program("mmdebstrap", "mmdebstrap"), *BASE_OPTIONS, "bookworm", str(part)]
            result = subprocess.run(
                command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=CALL_S
            )
            if result.returncode != 0:
                part.unlink(missing_ok=True)
                raise Unavailable(f"mmdebstrap failed: {result.stderr.strip()[-500:]}")
            os.replace(part, path)
    return path


def context_digest(context: Path, dockerfile: str) -> str:
    """Of everything that the build can see: the Dockerfile, and the files that its COPY lines name.
    Where a line is not plain enough to tell, of the whole context."""
    text = (context / dockerfile).read_bytes()
    digest = hashlib.sha256("\n".join(BASE_OPTIONS).encode() + b"\0" + text)
    for source in _copied_sources(text.decode()):
        for path in sorted(_files_below(context / source)):
            executable = os.access(path, os.X_OK)
            content = os.readlink(path).encode() if path.is_symlink() else path.read_bytes()
            name = path.relative_to(context)
            digest.update(f"\0{name}\0{executable}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


def _copied_sources(dockerfile: str) -> list[str]:
    sources: list[str] = []
    for line in re.sub(r"\\\n", " ", dockerfile).splitlines():
        if not re.match(r"\s*(COPY|ADD)\s", line, re.IGNORECASE):
            continue
        words = shlex.split(line)[1:]
        if any(word.startswith("--from=") for word in words):
            continue
        names = [word for word in words if not word.startswith("--")][:-1]
        if not names or any(set(name) & set("$*?[") for name in names):
            return ["."]
        sources += names
    return sources


def _files_below(path: Path) -> Iterator[Path]:
    if path.is_symlink() or not path.is_dir():
        yield path
        return
    for each in path.iterdir():
        yield from _files_below(each)


def program(name: str, package: str) -> str:
    # Where Debian puts programs for root, which are missing from the PATH of some users.
    path = shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin")
    if path is None:
        raise Unavailable(f"{name} is not installed (Debian package {package})")
    return path


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """One process at a time makes a cached file."""
    with open(path, "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _remove_cgroups(own: str) -> None:
    """Those of this engine, and of tests that were killed."""
    root = Path("/sys/fs/cgroup")  # v1 has a tree for each controller below it, v2 is one tree
    for path in [*root.glob(f"{CGROUP_PREFIX}*"), *root.glob(f"*/{CGROUP_PREFIX}*")]:
        pid = path.name.removeprefix(CGROUP_PREFIX).partition("-")[0]
        if path.name != own and Path("/proc", pid).exists():
            continue
        for each, _, _ in os.walk(path, topdown=False):
            with contextlib.suppress(OSError):  # somebody else was quicker
                os.rmdir(each)


def die_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
