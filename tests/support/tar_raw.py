"""Pieces of a tar byte by byte: headers that tarfile does not write, and would not read."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable


@dataclasses.dataclass(frozen=True)
class Raw:
    """Bytes of a tar as they are: headers that no library writes."""

    data: bytes


def pax_records(records: Iterable[tuple[bytes, bytes]]) -> Raw:
    """A PAX header in front of the next entry, of records that a dict cannot hold."""
    body = b"".join(_pax_record(key, value) for key, value in records)
    return pax_body(body)


def pax_body(body: bytes, stated_size: int | None = None) -> Raw:
    """A PAX header whose body may be nonsense."""
    head = raw_header(b"pax", typeflag=b"x", size=len(body) if stated_size is None else stated_size)
    return Raw(head + padded(body))


def raw_header(
    name: bytes, *, typeflag: bytes = b"0", size: int | bytes = 0, uid: bytes = b"0000000\0",
    gid: bytes = b"0000000\0", linkname: bytes = b"", magic: bytes = b"ustar\00000",
    mode: int = 0o644, tail: bytes = b"",
) -> bytes:
    """512 bytes with the right checksum; `uid`, `gid` and a `size` in bytes go in as they are, and
    `tail` from byte 345 on."""
    size_field = b"%011o\0" % size if isinstance(size, int) else size
    block = bytearray(512)
    for at, field in ((0, name[:100]), (100, b"%07o\0" % mode), (108, uid), (116, gid),
                      (124, size_field), (136, b"00000000000\0"), (148, b" " * 8),
                      (156, typeflag), (157, linkname[:100]), (257, magic), (345, tail)):
        block[at:at + len(field)] = field
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def base256(value: int, width: int = 8) -> bytes:
    """A number of a header field in GNU's binary form; negative ones too."""
    bits = 8 * width
    return ((value + (1 << bits)) % (1 << bits) | 1 << (bits - 1)).to_bytes(width, "big")


def gnu_sparse(path: str, size: int, pieces: list[tuple[int, bytes]], mode: int = 0o644) -> Raw:
    """A sparse file in GNU's old form: (offset, bytes), a map in the header and in blocks behind
    it. GNU tar pads each piece but the last to whole blocks on reading, so they must be whole."""
    spans = [b"%011o\0%011o\0" % (at, len(data)) for at, data in [*pieces, (size, b"")]]
    first, rest = spans[:4], spans[4:]
    tail = bytearray(512 - 345)
    tail[386 - 345:386 - 345 + 24 * len(first)] = b"".join(first)
    tail[482 - 345] = 1 if rest else 0
    tail[483 - 345:495 - 345] = b"%011o\0" % size
    content = b"".join(data for _, data in pieces)
    blocks = raw_header(path.encode(), typeflag=b"S", size=len(content), magic=b"ustar  \0",
                        mode=mode, tail=bytes(tail))
    while rest:
        part, rest = rest[:21], rest[21:]
        blocks += b"".join(part).ljust(504, b"\0") + (b"\1" if rest else b"\0") + bytes(7)
    return Raw(blocks + padded(content))


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 512)


def _pax_record(key: bytes, value: bytes) -> bytes:
    body = b" " + key + b"=" + value + b"\n"
    length = len(body) + len(str(len(body)))
    length = len(body) + len(str(length))
    return b"%d" % length + body
