"""The images of the end-to-end tests: hello and misbehave, alone in a layer or with much beside."""

import contextlib
import io
import os
import tarfile
import tempfile
from pathlib import Path

from faasd_process import binary
from image_tar import Fault, Filler, ImageTar, directory, file, symlink

MIB = 1 << 20


def program(name, mode=0o755, **more):
    """One of our programs, for the root of a layer."""
    return file(name, Path(binary(name)), mode=mode, **more)


def hello(fault=Fault.NONE, *more_entries, architecture=None, **config):
    """An image with /hello, good but for `fault` and for what `config` says."""
    chosen = {"Entrypoint": ["/hello"], **config}
    options = {"architecture": architecture} if architecture else {}
    # Two layers, so that a fault in the last is one after something was already unpacked.
    return ImageTar([[program("hello")], [directory("etc"), *more_entries]], chosen, fault=fault,
                    **options).build()


def misbehave(*words, entries=(), **config):
    """An image with /misbehave, which does what the first word says."""
    chosen = {"Entrypoint": ["/misbehave", *words], **config}
    return ImageTar([[program("misbehave"), *entries]], chosen).build()


def branching(*words, **config):
    """An image with /branching, which can make a snapshot unless the words make it impossible."""
    chosen = {"Entrypoint": ["/branching", *words], **config}
    return ImageTar([[program("branching")]], chosen).build()


def probe(*targets, **config):
    """An image with /probe, which also tries to reach the targets."""
    chosen = {"Entrypoint": ["/probe", *targets], **config}
    return ImageTar([[program("probe"), directory("etc"), file("etc/passwd", b"")]], chosen).build()


def socket_thief(*words, **config):
    """An image with /socket_thief."""
    chosen = {"Entrypoint": ["/socket_thief", *words], **config}
    return ImageTar([[program("socket_thief")]], chosen).build()


def hostile_to_runtime(script_text, libraries, **config):
    """An image that makes the runtime start itself, with a library of the image's in it: /handler
    is the script, /script is one for it; /linked leads to the runtime, and /p to /proc."""
    entries = [program("misbehave"), program("preloaded"), symlink("linked", "/proc/self/exe"),
               symlink("p", "/proc"), file("handler", script_text.encode(), mode=0o755),
               file("script", b"#!/handler\n", mode=0o755)]
    entries += [file(path.lstrip("/"), Path(path), mode=0o755) for path in libraries]
    return ImageTar([entries], {"Env": ["LD_PRELOAD=/preloaded"], **config}).build()


def script(text, mode=0o755):
    """An image with one file, /handler, and no interpreter for it."""
    return ImageTar([[file("handler", text.encode(), mode=mode)]],
                    {"Entrypoint": ["/handler"]}).build()


def plain_tar(files):
    """{name: content} as a tar that is no image."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


@contextlib.contextmanager
def big_archive(size):
    """An open file: /hello and `size` bytes beside it, in files of 50 MiB."""
    ballast = [file(f"data/{at}", Filler(50 * MIB, at)) for at in range(size // (50 * MIB))]
    with tempfile.TemporaryDirectory(prefix="i-") as parent:
        path = os.path.join(parent, "big.tar")
        ImageTar([[program("hello")], [directory("data"), *ballast]],
                 {"Entrypoint": ["/hello"]}).write(path)
        with open(path, "rb") as archive:
            yield archive
