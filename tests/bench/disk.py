"""The disk below a directory: when it is quiet, what a tree takes of it, trees removed for good.

Removing a tree is slow where the file system discards blocks (a wait for the disk for each file),
and may go on after the call. What is measured meanwhile would pay for it.
"""

import concurrent.futures
import dataclasses
import os
import shutil
import stat
import threading

QUIET_S = 0.2  # a disk that wrote nothing for so long has nothing more to do for us
PATIENCE_S = 1.0  # others on the machine may write without end
LOOK_AGAIN_S = 0.05
REMOVERS = 16  # at once: each of them waits for the disk
BLOCK_BYTES = 512  # of st_blocks, whatever the file system's are
WARM_BYTES = 1 << 20

# /sys/dev/block/…/stat, the kernel's Documentation/block/stat.rst
WRITES, IN_FLIGHT, DISCARDS = 4, 8, 11


@dataclasses.dataclass
class Usage:
    """Of trees, each inode counted once."""

    bytes: int = 0
    directory_bytes: int = 0  # of these, those of directories: no link can share them
    inodes: int = 0


def settle(directory, *read_next):
    """Everything written is on the disk, the disk is quiet, those files are in the page cache."""
    os.sync()
    _wait_until_quiet(directory)
    for path in read_next:
        with open(path, "rb", buffering=0) as file:
            while file.read(WARM_BYTES):
                pass


def _wait_until_quiet(directory):
    device = os.stat(directory).st_dev
    path = f"/sys/dev/block/{os.major(device)}:{os.minor(device)}/stat"
    if not os.path.exists(path):
        return  # several disks, or none
    never = threading.Event()
    before, quiet_s, waited_s = None, 0.0, 0.0
    while quiet_s < QUIET_S and waited_s < PATIENCE_S:
        with open(path, encoding="ascii") as file:
            fields = [int(word) for word in file.read().split()]
        now = (fields[WRITES], fields[DISCARDS] if len(fields) > DISCARDS else 0)
        quiet_s = quiet_s + LOOK_AGAIN_S if now == before and fields[IN_FLIGHT] == 0 else 0.0
        before = now
        never.wait(LOOK_AGAIN_S)
        waited_s += LOOK_AGAIN_S


def remove(*trees):
    """Returns when they are off the disk; those that are not there are no matter."""
    with concurrent.futures.ThreadPoolExecutor(REMOVERS) as pool:
        for tree in trees:
            list(pool.map(_unlink_all, os.walk(tree)))
    for tree in trees:
        if os.path.isdir(tree):
            shutil.rmtree(tree)  # directories alone are left
        elif os.path.lexists(tree):
            os.unlink(tree)
    os.sync()


def _unlink_all(step):
    directory, _, files = step
    for name in files:
        os.unlink(os.path.join(directory, name))


def usage(*trees):
    total, seen = Usage(), set()
    for tree in trees:
        for directory, names, files in os.walk(tree):
            for path in [directory, *(os.path.join(directory, name) for name in names + files)]:
                _count(os.lstat(path), total, seen)
    return total


def _count(status, total, seen):
    if (status.st_dev, status.st_ino) in seen:
        return
    seen.add((status.st_dev, status.st_ino))
    total.inodes += 1
    total.bytes += status.st_blocks * BLOCK_BYTES
    if stat.S_ISDIR(status.st_mode):
        total.directory_bytes += status.st_blocks * BLOCK_BYTES


def free_bytes(directory):
    os.sync()
    status = os.statvfs(directory)
    return status.f_bfree * status.f_frsize


def filesystem(directory):
    """Its type: ext4, xfs, tmpfs, …"""
    device = os.stat(directory).st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    with open("/proc/self/mountinfo", encoding="latin-1") as file:
        for line in file:
            fields = line.split(" ")
            if fields[2] == number:
                return fields[fields.index("-") + 1]
    return "unknown"
