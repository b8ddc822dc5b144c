"""Inputs for the fuzz targets to start from: small, valid, one feature each, the same bytes in
every run. tests/fuzz/run writes them; `seeds.py DIRECTORY` does it by hand.
"""

from __future__ import annotations

import io
import json
import os
import re
import sys
import tarfile
from collections.abc import Iterator

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

# pylint: disable=wrong-import-position
import image_tar
import oci_layout
from image_tar import (Compression, Fault, ImageTar, directory, file, hardlink, opaque, symlink,
                       whiteout)

# As in layers.h.
SEPARATOR = b"\n--- next layer ---\n"
BLOCK = 512
END = bytes(2 * BLOCK)
LONG = "d/" + "n" * 150
VERY_LONG = "/".join(["directory-of-a-long-name"] * 8) + "/" + "f" * 200


def trimmed(tar: bytes) -> bytes:
    """Without the padding to a tape's record: mutations would fall there."""
    return tar.rstrip(b"\0") + bytes(-len(tar.rstrip(b"\0")) % BLOCK) + END


def layer(*entries) -> bytes:
    return trimmed(image_tar.layer_bytes(entries))


def _tar(form: int, *members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for info, content in members:
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return trimmed(out.getvalue())


def _info(name: str, kind: bytes = tarfile.REGTYPE, **fields) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type = kind
    for field, value in fields.items():
        setattr(info, field, value)
    return info


def header(name: bytes, kind: bytes, size: int, extra: bytes = b"",
           magic: bytes = b"ustar  \0") -> bytes:
    """A GNU header; `extra` lies where the sparse map is, at 386."""
    block = bytearray(BLOCK)
    block[0:len(name)] = name
    block[100:108] = b"0000644\0"
    block[108:116] = block[116:124] = b"0000000\0"
    block[124:136] = b"%011o\0" % size
    block[136:148] = b"%011o\0" % 1_000_000_000
    block[156:157] = kind
    block[257:257 + len(magic)] = magic
    block[386:386 + len(extra)] = extra
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def _sparse_map(pieces, slots: int) -> bytes:
    numbers = b"".join(b"%011o\0%011o\0" % piece for piece in pieces)
    return numbers.ljust(24 * slots, b"\0")


def gnu_sparse(pieces: int, size: int) -> bytes:
    """Old GNU format: four pieces in the header, 21 in each block behind it."""
    spots = [(4096 * at, 8) for at in range(pieces)]
    first, rest = spots[:4], spots[4:]
    extended = b"\1" if rest else b"\0"
    data = b"abcdefgh" * pieces
    out = header(b"sparse", b"S", len(data), _sparse_map(first, 4) + extended + b"%011o\0" % size)
    while rest:
        part, rest = rest[:21], rest[21:]
        out += (_sparse_map(part, 21) + (b"\1" if rest else b"\0")).ljust(BLOCK, b"\0")
    return out + data + bytes(-len(data) % BLOCK) + END


def pax_sparse(minor: int) -> bytes:
    """The older two of the three PAX forms: the map in the records."""
    records = {"GNU.sparse.size": "9000", "GNU.sparse.numblocks": "2"}
    if minor == 1:
        records |= {"GNU.sparse.name": "sparse", "GNU.sparse.map": "0,4,8192,4"}
        return layer(file("GNUSparseFile.0/sparse", b"abcdefgh", pax=records))
    pairs = ["GNU.sparse.offset=0", "GNU.sparse.numbytes=4", "GNU.sparse.offset=8192",
             "GNU.sparse.numbytes=4"]  # keys that occur twice, which tarfile cannot write
    lines = [f"{key}={value}" for key, value in records.items()] + pairs
    body = b"".join(b"%d %s\n" % (len(line) + 4, line.encode()) for line in lines)
    extension = header(b"x", b"x", len(body)) + body + bytes(-len(body) % BLOCK)
    return extension + header(b"sparse", b"0", 8) + b"abcdefgh".ljust(BLOCK, b"\0") + END


def layers() -> Iterator[tuple[str, bytes]]:
    """(name, one layer) for what a tar can hold."""
    yield "empty", END
    yield "files", layer(file("a", b"x"), directory("d", 0o1777, uid=1000), file("d/b", b"y" * 600),
                         symlink("l", "d/b"), file("s", b"z", mode=0o4755, gid=5))
    yield "hard-links", layer(file("a", b"x"), hardlink("b", "a"), hardlink("d/c", "/b"))
    yield "links", layer(symlink("l", "/mnt/canary"), file("l/etc/passwd", b"x"),
                         symlink("up", "../../canary"), file("up/file", b"x"),
                         symlink("c", "c2"), symlink("c2", "c"), directory("real"),
                         symlink("in", "real/../real"), file("in/f", b"x"))
    yield "circle", layer(symlink("c", "c2"), symlink("c2", "c"), file("c/f", b"x"))
    yield "escapes", layer(file("/abs", b"x"), hardlink("h", "/mnt/canary/file"))
    yield "dots", layer(file("a/../../x", b"x"))
    yield "replaced", layer(file("a", b"x"), directory("a"), file("a/b"), symlink("a", "b"),
                            file("a", b"y"), file("a/c/d", b"implied"))
    yield "whiteouts", layer(whiteout("a"), whiteout("d/b"), opaque("e"), file("e/new", b"x"),
                             file("b/.wh..wh.aufs"))
    yield "specials", layer(image_tar.fifo("fifo"), image_tar.character_device("null", 1, 3),
                            hardlink("to-fifo", "fifo"), image_tar.block_device("d/disk", 8, 0))
    yield "mount-points", layer(symlink("proc", "/mnt/canary"), symlink("control.sock", "/etc"),
                                file("sys", b"x"), symlink("srv", "/mnt/canary/dir"))
    yield "long-names-pax", layer(file(LONG, b"x"), symlink("link", VERY_LONG))
    yield "long-names-gnu", _tar(tarfile.GNU_FORMAT, (_info(VERY_LONG), b"x"),
                                 (_info("l", tarfile.SYMTYPE, linkname=VERY_LONG), b""))
    yield "long-names-ustar", _tar(tarfile.USTAR_FORMAT, (_info("p" * 80 + "/" + "n" * 90), b"x"))
    yield "large-numbers-gnu", _tar(tarfile.GNU_FORMAT, (_info("a", uid=1 << 31, gid=70_000,
                                                               mtime=1 << 34), b"x"))
    yield "large-numbers-pax", layer(file("a", b"x", uid=1 << 31, gid=70_000, mtime=1 << 34,
                                          pax={"mtime": "-1.25", "comment": "none"}))
    yield "owner-wraps", layer(file("a", b"x", uid=1 << 32))
    yield "xattrs", layer(file("a", b"x", pax=image_tar.xattrs(
        user_colour=b"red", security_capability=b"\1\0\0\2", trusted_x=b"y")))
    yield "names-not-utf8", _tar(tarfile.GNU_FORMAT, (_info("n\udcff\udcfe"), b"x"))
    yield "sparse-gnu", gnu_sparse(3, 12_000)
    yield "sparse-gnu-extended", gnu_sparse(30, 130_000)
    yield "sparse-pax-0.0", pax_sparse(0)
    yield "sparse-pax-0.1", pax_sparse(1)
    yield "sparse-pax-1.0", layer(image_tar.pax_sparse("sparse", 9000, [(0, b"abcd"),
                                                                       (8192, b"efgh")]))
    yield "global-header", _tar(tarfile.PAX_FORMAT, (_info("g", tarfile.XGLTYPE),
                                                     b"13 mtime=100\n"), (_info("a"), b"x"))
    yield "old-tar", header(b"a", b"\0", 1, magic=b"") + b"x".ljust(BLOCK, b"\0") + END
    yield "deep", layer(file("/".join("abcdefghijk"), b"x"))


def stacks() -> Iterator[tuple[str, bytes]]:
    """(name, several layers): what composing has to get right."""
    base = layer(directory("d"), file("d/a", b"1"), file("d/b", b"22"), symlink("lib", "usr/lib"),
                 file("usr/lib/x", b"333"), hardlink("h", "d/a"))
    yield "adds", SEPARATOR.join([base, layer(file("lib/y", b"4"), file("d/c", b"5"))])
    yield "hides", SEPARATOR.join([base, layer(whiteout("d/a"), opaque("usr"), file("usr/z"))])
    yield "hides-all", SEPARATOR.join([base, layer(opaque(""), file("only", b"x")),
                                       layer(whiteout("only"))])
    yield "kinds-change", SEPARATOR.join([base, layer(file("d", b"x"), directory("h"),
                                                      file("h/i")), layer(directory("d"))])
    yield "links-change", SEPARATOR.join([base, layer(symlink("d", "/mnt/canary")),
                                          layer(file("d/etc/passwd", b"x"), whiteout("d/file"))])
    yield "through-links", SEPARATOR.join([layer(symlink("l", "../../../canary")),
                                           layer(whiteout("l/etc/passwd"), opaque("l/dir"))])
    yield "same-twice", SEPARATOR.join([base, base])
    yield "meta-changes", SEPARATOR.join([base, layer(directory("d", 0o700, uid=7, mtime=77))])


def archives() -> Iterator[tuple[str, bytes]]:
    """(name, archive as it is sent) of every layout, packed in every way."""
    yield from layers()
    tar = layer(file("a", b"x" * 2000), directory("d"))
    for way in Compression:
        yield f"packed-{way.name.lower()}", way.pack(tar)
        yield f"packed-{way.name.lower()}-cut", way.pack(tar)[:-5]
        yield f"packed-{way.name.lower()}-more", way.pack(tar) + way.pack(END)
    yield "bomb", Compression.GZIP.pack(bytes(1 << 20))
    image = ImageTar([[file("handler", b"#!", mode=0o755)], [whiteout("x")]],
                     {"Entrypoint": ["/handler"]})
    for fault in Fault:
        faulty = ImageTar(image.layers, image.config, fault=fault)
        yield f"docker-{fault.name.lower()}", trimmed(faulty.build()) if fault in (
            Fault.NONE, Fault.NO_MANIFEST) else faulty.build()[:16_384]
    yield "oci", trimmed(oci_layout.OciLayout({"app:1": image}).build())
    yield "oci-hybrid", trimmed(oci_layout.OciLayout({"app:1": image}, hybrid=True).build())


CONFIG = {
    "architecture": image_tar.ImageTar([]).architecture, "os": "linux",
    "config": {"Entrypoint": ["/handler"], "Cmd": ["a"], "Env": ["PATH=/bin", "A=b"],
               "WorkingDir": "/srv", "User": "app:staff", "Labels": {"a": "b"}},
    "rootfs": {"type": "layers", "diff_ids": ["sha256:$0", "sha256:$1"]}, "history": [],
}
LAYER_TYPE = oci_layout.LAYER[Compression.GZIP]


def sections(*parts: tuple[str, object]) -> bytes:
    """As documents_fuzz.cpp takes them apart."""
    out = b"d"
    for name, body in parts:
        text = body if isinstance(body, str) else json.dumps(body, separators=(",", ":"))
        text = re.sub(r'"(#\d)"', r"\1", text)  # sizes are numbers
        out += f"=== {name}\n{text}\n".encode()
    return out


def _descriptor(media_type: str, number: int, **more) -> dict:
    return {"mediaType": media_type, "digest": f"sha256:${number}", "size": f"#{number}",
            **more}


def documents() -> Iterator[tuple[str, bytes]]:
    yield "docker", sections(
        ("manifest.json", [{"Config": "$0.json", "RepoTags": ["app:1"],
                            "Layers": ["$1/layer.tar", "$2/layer.tar"]}]),
        ("$0.json", CONFIG), ("layer $0/layer.tar", "one"), ("layer $0/layer.tar", "two"))
    yield "docker-link", sections(
        ("manifest.json", [{"Config": "c.json", "RepoTags": None, "Layers": ["l/layer.tar"]}]),
        ("c.json", {**CONFIG, "rootfs": {"type": "layers", "diff_ids": ["sha256:$1"]}}),
        ("link l/layer.tar m/layer.tar", ""), ("layer m/layer.tar", "one"))
    yield "docker-several", sections(
        ("manifest.json", [{"Config": "a", "RepoTags": ["a:1"], "Layers": []},
                           {"Config": "b", "RepoTags": ["app:1"], "Layers": []}]),
        ("a", CONFIG), ("choose-tag", ""),
        ("b", {**CONFIG, "rootfs": {"type": "layers", "diff_ids": []}}))
    platform = {"platform": {"architecture": CONFIG["architecture"], "os": "linux"}}
    named = {"annotations": {oci_layout.REF_NAME: "1", oci_layout.CONTAINERD_NAME: "app:1"}}
    manifest = {"schemaVersion": 2, "mediaType": oci_layout.MANIFEST,
                "config": _descriptor("application/vnd.oci.image.config.v1+json", 0),
                "layers": [_descriptor(LAYER_TYPE, 1), _descriptor(LAYER_TYPE, 2)]}
    inner = {"schemaVersion": 2, "mediaType": oci_layout.INDEX,
             "manifests": [_descriptor(oci_layout.MANIFEST, 0, **platform)]}
    blobs = [("blobs/sha256/$0", CONFIG), ("layer blobs/sha256/$0", "one"),
             ("layer blobs/sha256/$0", "two")]
    top = {"schemaVersion": 2, "manifests": [_descriptor(oci_layout.MANIFEST, 0, **named)]}
    yield "oci", sections(("oci-layout", {"imageLayoutVersion": "1.0.0"}), ("index.json", top),
                          ("blobs/sha256/$0", manifest), *blobs)
    nested = {"schemaVersion": 2, "manifests": [_descriptor(oci_layout.INDEX, 0, **named)]}
    yield "oci-nested", sections(("oci-layout", {"imageLayoutVersion": "1.0.0"}),
                                 ("index.json", nested), ("blobs/sha256/$0", inner),
                                 ("blobs/sha256/$0", manifest), *blobs)
    config = json.dumps(CONFIG).replace("$0", "0" * 64).replace("$1", "1" * 64)
    yield "config", b"c" + config.encode()
    yield "config-null", b'c{"config":null,"rootfs":{"type":"layers","diff_ids":null}}'
    yield "report", b"r" + json.dumps(
        {"layers": [{"path": "l/layer.tar", "directory": 0, "diff": "0" * 64,
                     "compressed": "1" * 64, "size": 512}],
         "links": {"a": "b"}, "documents": [{"path": "manifest.json", "size": 2}],
         "has_end_mark": True, "special_files": 1, "oversized": [], "attributes": 3}
    ).encode() + b"\n[]"
    yield "report-refused", b'r{"refused":{"reason":"invalid","code":"bad_name","message":"no"}}\n'
    yield "record", b"i" + json.dumps(
        {"digest": "sha256:" + "0" * 64, "size_bytes": 1, "notes": ["a"], "layers": ["0" * 64],
         "config": {**CONFIG, "rootfs": {"type": "layers", "diff_ids": []}}}).encode()
    for number, path in enumerate(("/a/./b//c", "a/../b", "", "/", "x" * 300)):
        yield f"path-{number}", b"p" + path.encode()


def requests() -> Iterator[tuple[str, bytes]]:
    head = b"POST /v1/functions/a%2Fb?memory=64M HTTP/1.1\r\nHost: x\r\n"
    yield "get", b"GET /api/list HTTP/1.1\r\nHost: x\r\n\r\n"
    yield "length", head + b"Content-Length: 3\r\n\r\nabc"
    yield "chunked", head + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1A\r\n" + (
        b"x" * 26 + b"\r\n0\r\n\r\n")
    yield "both", head + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    yield "chunk-odd", head + b"Transfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n"
    yield "dots", b"GET /a/../%2e%2e/b?c=%00 HTTP/1.0\r\n\r\n"


def replies() -> Iterator[tuple[str, bytes]]:
    def http(status: str, body: bytes) -> bytes:
        return b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (
            status.encode(), len(body), body)
    result = b'{"data": {"a": [1, 2.5e3, null]}, "type": "json"}'
    failure = b'{"error": "no", "code": "script_failed", "line": 3, "traceback": "x\\ny"}'
    yield "result", b"r" + http("200 OK", result)
    yield "nothing", b"r" + http("200 OK", b"{}")
    yield "failure", b"r" + http("500 Internal Server Error", failure)
    yield "busy", b"d" + http("503 Service Unavailable", b'{"error": "full", "code": "no_room"}')
    ended = (b'{"code": 0, "signal": null, "status": null, "message": null, "cpu_time_ms": 1, '
             b'"wall_time_ms": 2, "memory_bytes": 3')
    yield "program", (b"pHTTP/1.1 200 OK\r\n\r\n" + b'{"compile": ' + ended
                      + b', "stdout": "", "stderr": "", "output": ""}}\n{"run": ' + ended + b"}}\n")
    yield "members", b"m" + result
    for number, selector in enumerate(("*", "^3.1", ">=3 <4 || 2.x", "~3.11.2")):
        yield f"selector-{number}", b"v" + selector.encode()


SEEDS = {
    "archive_fuzz": (archives,),
    "layer_fuzz": (layers, stacks),
    "documents_fuzz": (documents,),
    "script_reply_fuzz": (replies,),
    "http_framing_fuzz": (requests,),
}


def write(target: str, into: str) -> int:
    """Returns how many there are."""
    os.makedirs(into, exist_ok=True)
    count = 0
    for generate in SEEDS[target]:
        for name, content in generate():
            with open(os.path.join(into, name), "wb") as out:
                out.write(content)
            count += 1
    return count


if __name__ == "__main__":
    for each in SEEDS:
        print(each, write(each, os.path.join(sys.argv[1], each)))
