"""Image archives as `docker save` (engine 20.10) writes them, made from a description and without
Docker; also every kind of broken one. Deterministic: the same description gives the same bytes.
OCI layouts of the same descriptions: oci_layout.py.

    image = ImageTar([[file("handler", binary, mode=0o755)]], {"Entrypoint": ["/handler"]})
    image.write(path)
    ImageTar(..., fault=Fault.WRONG_LAYER_DIGEST).write(path)
    several([image, other])
    rewritten(image.build(), lambda members: members.reverse())
"""

from __future__ import annotations

import bz2
import contextlib
import copy
import dataclasses
import enum
import gzip
import hashlib
import io
import json
import lzma
import os
import platform
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, BinaryIO

from tar_raw import Raw, padded

MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}
COPY_BYTES = 1 << 20
CREATED = "1970-01-01T00:00:00Z"


class Compression(enum.Enum):
    """How a layer, or a whole archive, is packed."""

    NONE = ""
    GZIP = "gzip"
    ZSTD = "zstd"
    XZ = "xz"
    BZIP2 = "bzip2"

    def pack(self, data: bytes) -> bytes:
        """Raises FileNotFoundError where zstd(1) is not installed: Python 3.11 has no zstd."""
        match self:
            case Compression.GZIP:
                return gzip.compress(data, 6, mtime=0)
            case Compression.ZSTD:
                return subprocess.run(["zstd", "-q", "-c"], input=data, stdout=subprocess.PIPE,
                                      check=True).stdout
            case Compression.XZ:
                return lzma.compress(data)
            case Compression.BZIP2:
                return bz2.compress(data)
        return data


@dataclasses.dataclass(frozen=True)
class Filler:
    """Content of any size that is never held in memory; does not compress."""

    size: int
    seed: int = 0

    def open(self) -> BinaryIO:
        return io.BufferedReader(_FillerStream(self))


class _FillerStream(io.RawIOBase):
    def __init__(self, filler: Filler) -> None:
        self._left = filler.size
        self._block = hashlib.shake_256(str(filler.seed).encode()).digest(COPY_BYTES)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        count = min(len(buffer), self._left, len(self._block))
        buffer[:count] = self._block[:count]
        self._left -= count
        return count


@dataclasses.dataclass(frozen=True)
class Entry:
    """One member of a layer. `path` and `linkname` go into the archive exactly as they are."""

    path: str
    type: bytes = tarfile.REGTYPE
    content: bytes | Path | Filler = b""
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    linkname: str = ""
    mtime: int = 0
    device: tuple[int, int] = (0, 0)
    pax: dict[str, str] = dataclasses.field(default_factory=dict)
    format: int = tarfile.PAX_FORMAT  # GNU_FORMAT: names go in as bytes, long ones in GNU's way


def file(path: str, content: bytes | Path | Filler = b"", mode: int = 0o644, **more: Any) -> Entry:
    return Entry(path, tarfile.REGTYPE, content, mode, **more)


def directory(path: str, mode: int = 0o755, **more: Any) -> Entry:
    return Entry(path, tarfile.DIRTYPE, mode=mode, **more)


def symlink(path: str, target: str, **more: Any) -> Entry:
    return Entry(path, tarfile.SYMTYPE, mode=0o777, linkname=target, **more)


def hardlink(path: str, target: str, **more: Any) -> Entry:
    return Entry(path, tarfile.LNKTYPE, linkname=target, **more)


def fifo(path: str, **more: Any) -> Entry:
    return Entry(path, tarfile.FIFOTYPE, **more)


def character_device(path: str, major: int, minor: int, **more: Any) -> Entry:
    return Entry(path, tarfile.CHRTYPE, device=(major, minor), **more)


def block_device(path: str, major: int, minor: int, **more: Any) -> Entry:
    return Entry(path, tarfile.BLKTYPE, device=(major, minor), **more)


def whiteout(path: str) -> Entry:
    """Removes `path` of the layers below."""
    parent, _, name = path.rpartition("/")
    return file(f"{parent}/.wh.{name}" if parent else f".wh.{name}")


def opaque(path: str) -> Entry:
    """Empties the directory `path` of the layers below."""
    return file(f"{path}/.wh..wh..opq" if path else ".wh..wh..opq")


def xattrs(**values: bytes) -> dict[str, str]:
    """PAX records of extended attributes; `user_colour` is user.colour."""
    return {
        f"SCHILY.xattr.{name.replace('_', '.', 1)}": value.decode("utf-8", "surrogateescape")
        for name, value in values.items()
    }


def pax_sparse(path: str, size: int, pieces: list[tuple[int, bytes]], **more: Any) -> Entry:
    """A sparse file in the form that GNU tar calls PAX 1.0: the map stands before the content."""
    numbers = [len(pieces) + 1, *(n for at, data in pieces for n in (at, len(data))), size, 0]
    sparse_map = padded(b"".join(b"%d\n" % number for number in numbers))
    parent, _, name = path.rpartition("/")
    records = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": path,
               "GNU.sparse.realsize": str(size)}
    return file(f"{parent}/GNUSparseFile.0/{name}".lstrip("/"),
                sparse_map + b"".join(data for _, data in pieces), pax=records, **more)


class Fault(enum.Enum):
    """What is wrong with an archive; everything else about it is right."""

    NONE = enum.auto()
    NO_MANIFEST = enum.auto()
    NULL_MANIFEST = enum.auto()  # manifest.json is `null`
    EMPTY_MANIFEST = enum.auto()  # manifest.json is `[]`
    MANIFEST_NOT_JSON = enum.auto()
    MANIFEST_ESCAPES = enum.auto()  # names a layer outside the archive
    WRONG_LAYER_DIGEST = enum.auto()  # one byte of the first layer's first file is flipped
    WRONG_CONFIG_DIGEST = enum.auto()  # the config is not the one its name promises
    MISSING_LAYER = enum.auto()
    MISSING_CONFIG = enum.auto()
    CONFIG_NOT_JSON = enum.auto()
    FEWER_DIFF_IDS = enum.auto()  # one less than layers
    LAYER_NOT_A_TAR = enum.auto()  # with the right digest
    TRUNCATED = enum.auto()  # ends in the middle of the last layer
    NOT_A_TAR = enum.auto()
    EMPTY = enum.auto()  # no byte at all


@dataclasses.dataclass
class ImageTar:
    """An image: layers from the lowest to the highest, each a list of entries or the bytes of a
    tar, and the runtime part of its config: Entrypoint, Cmd, Env, WorkingDir, User, Labels."""

    layers: list[list[Entry | Raw] | bytes]
    config: dict[str, Any] = dataclasses.field(default_factory=dict)
    name: str = "test:latest"
    architecture: str = MACHINES.get(platform.machine(), platform.machine())
    os: str = "linux"
    manifest_first: bool = False  # `docker save` writes it after the layers
    link_same_layers: bool = True  # a layer that occurs twice is a symlink, as in `docker save`
    layer_compression: Compression = Compression.NONE
    fault: Fault = Fault.NONE

    def write(self, path: str | os.PathLike[str]) -> Path:
        """Writes the archive to `path`. Layers go through unnamed temporary files."""
        with open(path, "wb") as out:
            self.write_to(out)
        return Path(path)

    def build(self) -> bytes:
        """The archive in memory; for small ones."""
        out = io.BytesIO()
        self.write_to(out)
        return out.getvalue()

    def digest(self) -> str:
        """The image's name by content, `sha256:…` of its config."""
        with contextlib.ExitStack() as stack:
            layers = [stack.enter_context(Layer(layer)) for layer in self.layers]
            return "sha256:" + _sha256(self.config_bytes([layer.digest for layer in layers]))

    def write_to(self, out: BinaryIO) -> None:
        if self.fault is Fault.EMPTY:
            return
        if self.fault is Fault.NOT_A_TAR:
            out.write(b"this is no archive\n" * 512)
            return
        with contextlib.ExitStack() as stack:
            layers = [stack.enter_context(Layer(layer)) for layer in self._faulty_layers()]
            if self.fault is Fault.TRUNCATED:
                whole = io.BytesIO()
                last_layer_at = self._write_members(whole, layers)
                out.write(whole.getvalue()[: last_layer_at + 512 + layers[-1].size // 2])
            else:
                self._write_members(out, layers)

    def _faulty_layers(self) -> list[list[Entry | Raw] | bytes]:
        if self.fault is Fault.LAYER_NOT_A_TAR:
            return [*self.layers[:-1], b"this is no layer\n" * 512]
        return self.layers

    def config_bytes(self, diff_ids: list[str]) -> bytes:
        if self.fault is Fault.CONFIG_NOT_JSON:
            return b"{not json"
        if self.fault is Fault.FEWER_DIFF_IDS:
            diff_ids = diff_ids[:-1]
        return _json(
            {
                "architecture": self.architecture,
                "os": self.os,
                "created": CREATED,
                "config": copy.deepcopy(self.config),
                "rootfs": {"type": "layers", "diff_ids": [f"sha256:{each}" for each in diff_ids]},
                "history": [{"created": CREATED, "created_by": "test"} for _ in diff_ids],
            }
        )

    def _manifest_bytes(self, config_name: str, layer_names: list[str]) -> bytes:
        match self.fault:
            case Fault.NULL_MANIFEST:
                return b"null\n"
            case Fault.EMPTY_MANIFEST:
                return b"[]\n"
            case Fault.MANIFEST_NOT_JSON:
                return b"[{"
            case Fault.MANIFEST_ESCAPES:
                layer_names = ["../../../../etc/passwd", *layer_names[1:]]
        return _json([{"Config": config_name, "RepoTags": [self.name], "Layers": layer_names}])

    def _write_members(self, out: BinaryIO, layers: list[Layer]) -> int:
        """Returns where the header of the last layer starts."""
        ids = [_sha256(f"{at} {layer.digest}".encode()) for at, layer in enumerate(layers)]
        config = self.config_bytes([layer.digest for layer in layers])
        config_name = _sha256(config) + ".json"
        if self.fault is Fault.WRONG_CONFIG_DIGEST:
            config = config.replace(b"1970", b"1971", 1)
        manifest = self._manifest_bytes(config_name, [f"{each}/layer.tar" for each in ids])
        last_layer_at = 0
        with tarfile.open(fileobj=out, mode="w|", format=tarfile.PAX_FORMAT) as archive:
            if self.manifest_first and self.fault is not Fault.NO_MANIFEST:
                _add(archive, file("manifest.json", manifest))
            for at, (layer_id, layer) in enumerate(zip(ids, layers)):
                _add(archive, directory(f"{layer_id}/"))
                _add(archive, file(f"{layer_id}/VERSION", b"1.0"))
                _add(archive, file(f"{layer_id}/json", _json(self._v1(ids, at))))
                last_layer_at = archive.offset
                self._add_layer(archive, ids, layers, at)
            if self.fault is not Fault.MISSING_CONFIG:
                _add(archive, file(config_name, config))
            if not self.manifest_first and self.fault is not Fault.NO_MANIFEST:
                _add(archive, file("manifest.json", manifest))
            repository, _, tag = self.name.rpartition(":")
            _add(archive, file("repositories", _json({repository: {tag: ids[-1] if ids else ""}})))
        return last_layer_at

    def _v1(self, ids: list[str], at: int) -> dict[str, Any]:
        parent = {"parent": ids[at - 1]} if at > 0 else {}
        return {"id": ids[at], **parent, "created": CREATED, "os": self.os}

    def _add_layer(
        self, archive: tarfile.TarFile, ids: list[str], layers: list[Layer], at: int
    ) -> None:
        if self.fault is Fault.MISSING_LAYER and at == len(layers) - 1:
            return
        path = f"{ids[at]}/layer.tar"
        same = [other for other in range(at) if layers[other].digest == layers[at].digest]
        if same and self.link_same_layers:
            _add(archive, symlink(path, f"../{ids[same[0]]}/layer.tar"))
            return
        info = _info(file(path))
        info.size = layers[at].size
        flipped = self.fault is Fault.WRONG_LAYER_DIGEST and at == 0
        with layers[at].open(flipped) as stream:
            if self.layer_compression is not Compression.NONE:
                packed = self.layer_compression.pack(stream.read())
                _add(archive, file(path, packed))
                return
            archive.addfile(info, stream)


class Layer:
    """A layer's tar in an unnamed file, with its digest."""

    def __init__(self, content: list[Entry | Raw] | bytes) -> None:
        self._file = tempfile.TemporaryFile()
        if isinstance(content, bytes):
            self._file.write(content)
        else:
            write_layer(self._file, content)
        self.size = self._file.tell()
        self._file.seek(0)
        digest = hashlib.sha256()
        while block := self._file.read(COPY_BYTES):
            digest.update(block)
        self.digest = digest.hexdigest()

    def __enter__(self) -> Layer:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def open(self, flipped: bool) -> BinaryIO:
        self._file.seek(0)
        if not flipped:
            return os.fdopen(os.dup(self._file.fileno()), "rb")
        with tarfile.open(fileobj=self._file) as archive:
            at = next(member.offset_data for member in archive if member.size > 0)
        self._file.seek(0)
        content = bytearray(self._file.read())
        content[at] ^= 1  # content and not a header: the layer stays a valid tar
        return io.BytesIO(bytes(content))


def write_layer(out: BinaryIO, entries: Iterable[Entry | Raw]) -> None:
    """A layer's tar: the entries in the given order, names unchecked."""
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT, encoding="utf-8",
                      errors="surrogateescape") as archive:
        for entry in entries:
            _add(archive, entry)


def layer_bytes(entries: Iterable[Entry | Raw]) -> bytes:
    out = io.BytesIO()
    write_layer(out, entries)
    return out.getvalue()


def rewritten(archive: bytes, change: Callable[[list[tuple[str, Any]]], Any]) -> bytes:
    """A copy of an outer archive; `change` gets the list of its members and may do what it likes
    with it: (name, bytes), or (name, None) for a directory, or (name, target) for a link."""
    members: list[tuple[str, Any]] = []
    with tarfile.open(fileobj=io.BytesIO(archive)) as source:
        for info in source:
            stream = source.extractfile(info) if info.isreg() else None
            members.append((info.name, stream.read() if stream else info.linkname or None))
    change(members)
    return archive_of(members)


def archive_of(members: Iterable[tuple[str, Any]]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as target:
        for name, content in members:
            match content:
                case None:
                    _add(target, directory(name))
                case str():
                    _add(target, symlink(name, content))
                case _:
                    _add(target, file(name, content))
    return out.getvalue()


def several(images: list[ImageTar]) -> bytes:
    """`docker save` of several images at once: one archive, one manifest.json with all of them."""
    members: dict[str, Any] = {}
    manifest: list[Any] = []

    def take(parts: list[tuple[str, Any]]) -> None:
        for name, content in parts:
            if name == "manifest.json":
                manifest.extend(json.loads(content))
            elif name != "repositories":
                members.setdefault(name, content)

    for image in images:
        rewritten(image.build(), take)
    return archive_of([*members.items(), ("manifest.json", _json(manifest))])


def _info(entry: Entry) -> tarfile.TarInfo:
    info = tarfile.TarInfo(entry.path)
    info.type = entry.type
    info.mode = entry.mode
    info.uid, info.gid = entry.uid, entry.gid
    info.linkname = entry.linkname
    info.mtime = entry.mtime
    info.devmajor, info.devminor = entry.device
    info.pax_headers = dict(entry.pax)
    return info


def _add(archive: tarfile.TarFile, entry: Entry | Raw) -> None:
    if isinstance(entry, Raw):
        assert archive.fileobj is not None
        archive.fileobj.write(entry.data)
        archive.offset += len(entry.data)
        return
    info = _info(entry)
    archive.format = entry.format
    match entry.content:
        case Path() as path:
            info.size = path.stat().st_size
            with path.open("rb") as stream:
                archive.addfile(info, stream)
        case Filler() as filler:
            info.size = filler.size
            with filler.open() as stream:
                archive.addfile(info, stream)
        case content:
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode() + b"\n"


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
