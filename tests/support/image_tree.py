"""Root filesystems as values: of a directory, of the tar that `docker export` writes; and where two
of them differ. Names are bytes, relative, without a leading slash; b"" is the root.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import stat
import tarfile
from collections.abc import Iterator
from typing import Any, BinaryIO

KINDS = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "symlink",
         stat.S_IFIFO: "fifo", stat.S_IFCHR: "device", stat.S_IFBLK: "device",
         stat.S_IFSOCK: "socket"}
READ_BYTES = 1 << 20


@dataclasses.dataclass
class Node:
    kind: str
    mode: int  # permissions, setuid, setgid, sticky; 0o777 for every symlink
    uid: int
    gid: int
    size: int  # of files only
    sha256: str  # of files only
    target: bytes  # of symlinks only
    names: frozenset[bytes]  # all names of the same inode in this tree
    mtime_ns: int
    xattrs: dict[str, bytes]


FIELDS = [field.name for field in dataclasses.fields(Node)]


def tree_of_directory(root: str | os.PathLike[str]) -> dict[bytes, Node]:
    base = os.fsencode(root)
    found: dict[bytes, Node] = {}
    inodes: dict[tuple[int, int], set[bytes]] = {}
    contents: dict[tuple[int, int], str] = {}
    for name, path in _walk(base):
        status = os.lstat(path)
        kind = KINDS[stat.S_IFMT(status.st_mode)]
        inode = (status.st_dev, status.st_ino)
        if kind != "directory":
            inodes.setdefault(inode, set()).add(name)
        if kind == "file" and inode not in contents:
            contents[inode] = _sha256_of(path)
        found[name] = Node(
            kind, 0o777 if kind == "symlink" else stat.S_IMODE(status.st_mode), status.st_uid,
            status.st_gid, status.st_size if kind == "file" else 0,
            contents[inode] if kind == "file" else "",
            os.readlink(path) if kind == "symlink" else b"", frozenset(), status.st_mtime_ns,
            {each: os.getxattr(path, each, follow_symlinks=False)
             for each in os.listxattr(path, follow_symlinks=False)})
    for names in inodes.values():
        for name in names:
            found[name].names = frozenset(names)
    return found


def tree_of_tar(stream: BinaryIO) -> dict[bytes, Node]:
    found: dict[bytes, Node] = {}
    groups: dict[bytes, set[bytes]] = {}  # by the first name
    first_names: dict[bytes, bytes] = {}
    with tarfile.open(fileobj=stream, mode="r|", errors="surrogateescape",
                      encoding="utf-8") as archive:
        for info in archive:
            name = _bytes(info.name).strip(b"/")
            if info.islnk():
                first = first_names[_bytes(info.linkname).strip(b"/")]
                found[name] = dataclasses.replace(found[first])
            else:
                first = name
                found[name] = _node_of_member(archive, info)
            first_names[name] = first
            if not info.isdir():
                groups.setdefault(first, set()).add(name)
    for names in groups.values():
        for name in names:
            found[name].names = frozenset(names)
    return found


def _node_of_member(archive: tarfile.TarFile, info: tarfile.TarInfo) -> Node:
    kind = ("file" if info.isreg() else "directory" if info.isdir() else
            "symlink" if info.issym() else "fifo" if info.isfifo() else "device")
    digest = hashlib.sha256()
    stream = archive.extractfile(info) if kind == "file" else None
    while stream and (block := stream.read(READ_BYTES)):
        digest.update(block)
    prefix = "SCHILY.xattr."
    return Node(
        kind, 0o777 if kind == "symlink" else info.mode & 0o7777, info.uid, info.gid,
        info.size if kind == "file" else 0, digest.hexdigest() if kind == "file" else "",
        _bytes(info.linkname) if kind == "symlink" else b"", frozenset(),
        round(float(info.mtime) * 10**9),
        {key[len(prefix):]: _bytes(value) for key, value in info.pax_headers.items()
         if key.startswith(prefix)})


def differences(ours: dict[bytes, Node], theirs: dict[bytes, Node]
                ) -> Iterator[tuple[bytes, str, Any, Any]]:
    """(name, field, our value, theirs); the field is "there" where only one of them has the
    name."""
    for name in sorted(ours.keys() | theirs.keys()):
        if name not in ours or name not in theirs:
            yield name, "there", name in ours, name in theirs
            continue
        for field in FIELDS:
            values = getattr(ours[name], field), getattr(theirs[name], field)
            if values[0] != values[1]:
                yield name, field, *values


def _walk(base: bytes) -> Iterator[tuple[bytes, bytes]]:
    yield b"", base
    for directory, directories, files in os.walk(base):
        for each in directories + files:
            path = os.path.join(directory, each)
            yield path[len(base) + 1:], path


def _sha256_of(path: bytes) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(READ_BYTES):
            digest.update(block)
    return digest.hexdigest()


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
