"""What a machine shows of containers: processes, mounts, cgroups, addresses on lo.

Read-only. The test runner compares the machine before and after a run with it, the end-to-end tests
compare it before and after one daemon. Everything is read from /proc, /sys and rtnetlink(7), so no
tool needs to be installed.
"""

import contextlib
import ctypes
import os
import socket
import struct
import threading

PR_SET_CHILD_SUBREAPER = 36

WATCH_S = 0.01

RTM_NEWADDR, RTM_GETADDR, NLMSG_ERROR, NLMSG_DONE = 20, 22, 2, 3
NLM_F_REQUEST, NLM_F_DUMP = 1, 0x300
IFA_ADDRESS, IFA_LOCAL, IFA_LABEL = 1, 2, 3


def become_subreaper():
    """Orphans of this process's children become its own children, so that none is overlooked."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def _children(pid):
    found = []
    try:
        tasks = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return found
    for task in tasks:
        try:
            with open(f"/proc/{pid}/task/{task}/children", encoding="ascii") as file:
                found += [int(child) for child in file.read().split()]
        except OSError:
            continue
    return found


def descendants(pid):
    """All processes below `pid`, itself excluded. One that gets another parent meanwhile may be
    met twice, and is there once."""
    found, queue = {}, [pid]
    while queue:
        children = _children(queue.pop())
        found.update(dict.fromkeys(children))
        queue += children
    return list(found)


def command_of(pid):
    """The command line of a process for a message; its name where it has none (a zombie)."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            line = file.read().replace(b"\0", b" ").decode(errors="replace").strip()
        if line:
            return line
        with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as file:
            status = dict(row.split(":\t", 1) for row in file if ":\t" in row)
        return f"{status['Name'].strip()} [{status['State'].strip()}]"
    except OSError:
        return "(gone)"


def is_zombie(pid):
    """Whether it has ended and nobody has asked yet how."""
    try:
        with open(f"/proc/{pid}/stat", encoding="latin-1") as file:
            return file.read().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return False


def program_of(pid):
    """The name of the file that a process executes; empty if it has ended."""
    try:
        return os.path.basename(os.readlink(f"/proc/{pid}/exe"))
    except OSError:
        return ""


def cgroup_names_of(pid):
    """The last names of the cgroups that a process is in; none if it has ended."""
    try:
        with open(f"/proc/{pid}/cgroup", encoding="ascii") as file:
            return {os.path.basename(line.rstrip("\n")) for line in file} - {""}
    except OSError:
        return set()


def _unescape(field):
    return field.encode("latin-1").decode("unicode_escape").encode("latin-1").decode(
        "utf-8", "replace")


def mount_points(pid="self"):
    """Mount points of a process's mount namespace, in order; mounted twice, listed twice."""
    with open(f"/proc/{pid}/mountinfo", encoding="latin-1") as file:
        return [_unescape(line.split(" ")[4]) for line in file]


def cgroup_roots():
    """Where the cgroup hierarchies are mounted, v1 controllers and v2 alike."""
    roots = []
    with open("/proc/self/mountinfo", encoding="latin-1") as file:
        for line in file:
            fields = line.split(" ")
            kind = fields[fields.index("-") + 1]
            if kind in ("cgroup", "cgroup2"):
                roots.append(_unescape(fields[4]))
    return roots


def cgroup_directories():
    """Every cgroup directory of every hierarchy, as paths."""
    found = set()
    for root in cgroup_roots():
        for directory, names, _ in os.walk(root):
            found.update(os.path.join(directory, name) for name in names)
    return found


def processor_share(pid):
    """What the cgroup of a process has of a processor that others want too, in units of its own."""
    with open(f"/proc/{pid}/cgroup", encoding="ascii") as file:
        places = [line.rstrip("\n").split(":", 2) for line in file]
    for _, controllers, path in places:
        if controllers and "cpu" not in controllers.split(","):
            continue
        for root in cgroup_roots():
            try:
                with open(root + path + ("/cpu.shares" if controllers else "/cpu.weight"),
                          encoding="ascii") as file:
                    return int(file.read())
            except OSError:
                continue
    raise LookupError(f"no cgroup of process {pid} has a share")


def memory_limit(pid):
    """In bytes, of the cgroup of a process."""
    return _memory_number(pid, "memory.limit_in_bytes", "memory.max")


def memory_used(pid):
    """What the cgroup of a process is charged with, in bytes."""
    return _memory_number(pid, "memory.usage_in_bytes", "memory.current")


def _memory_number(pid, v1_name, v2_name):
    with open(f"/proc/{pid}/cgroup", encoding="ascii") as file:
        places = [line.rstrip("\n").split(":", 2) for line in file]
    for _, controllers, path in places:
        if controllers and "memory" not in controllers.split(","):
            continue
        for root in cgroup_roots():
            name = v1_name if controllers else v2_name
            try:
                with open(os.path.join(root + path, name), encoding="ascii") as file:
                    return int(file.read())
            except OSError:
                continue
    raise LookupError(f"no cgroup of process {pid} knows of memory")


def dying_cgroups():
    """{controller, or "v2": how many cgroups are removed and still in the kernel}: they stay for as
    long as something is charged to them."""
    found = {}
    with open("/proc/self/mountinfo", encoding="latin-1") as file:
        for line in file:
            fields = line.rstrip("\n").split(" ")
            dash = fields.index("-")
            root = _unescape(fields[4])
            if fields[dash + 1] == "cgroup2":
                with open(os.path.join(root, "cgroup.stat"), encoding="ascii") as stat:
                    found["v2"] = int(dict(map(str.split, stat))["nr_dying_descendants"])
            elif fields[dash + 1] == "cgroup":
                for controller in set(fields[-1].split(",")) & set(_kernel_cgroups()):
                    seen = sum(1 for _ in os.walk(root))
                    found[controller] = max(0, _kernel_cgroups()[controller] - seen)
    return found


def _kernel_cgroups():
    """{controller: how many cgroups the kernel has of it}, by /proc/cgroups; cgroups(7)."""
    with open("/proc/cgroups", encoding="ascii") as file:
        rows = [line.split() for line in file if not line.startswith("#")]
    return {row[0]: int(row[2]) for row in rows if row[1] != "0"}


def _netlink_messages(sock):
    while True:
        data = sock.recv(1 << 16)
        while len(data) >= 16:
            length, kind = struct.unpack_from("=IH", data)
            if kind in (NLMSG_DONE, NLMSG_ERROR):
                return
            yield kind, data[16:length]
            data = data[(length + 3) & ~3:]


def _attributes(data):
    found = {}
    while len(data) >= 4:
        length, kind = struct.unpack_from("=HH", data)
        if length < 4:
            break
        found[kind] = data[4:length]
        data = data[(length + 3) & ~3:]
    return found


def ipv4_addresses():
    """{(address, label)} of all interfaces of this network namespace."""
    found = set()
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as sock:
        body = struct.pack("=BBBBi", socket.AF_INET, 0, 0, 0, 0)
        sock.send(struct.pack("=IHHII", 16 + len(body), RTM_GETADDR,
                              NLM_F_REQUEST | NLM_F_DUMP, 1, 0) + body)
        for kind, payload in _netlink_messages(sock):
            if kind != RTM_NEWADDR:
                continue
            values = _attributes(payload[8:])
            address = values.get(IFA_LOCAL) or values.get(IFA_ADDRESS)
            label = values.get(IFA_LABEL, b"").rstrip(b"\0").decode()
            if address:
                found.add((socket.inet_ntoa(address), label))
    return found


def open_fds(pid):
    """{fd: what it points at} of a process."""
    found = {}
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            found[int(name)] = os.readlink(f"/proc/{pid}/fd/{name}")
        except OSError:
            continue
    return found


def tcp_buffer_bytes():
    """What all TCP connections of the machine hold, whatever network they are of."""
    with open("/proc/net/sockstat", encoding="ascii") as file:
        words = next(line for line in file if line.startswith("TCP:")).split()
    return int(words[words.index("mem") + 1]) * os.sysconf("SC_PAGESIZE")


def resident_bytes(pid):
    """The memory of a process that is in use now."""
    return _status_bytes(pid, "VmRSS:")


def peak_bytes(pid):
    """The most of it so far; 0 of a zombie."""
    return _status_bytes(pid, "VmHWM:")


def _status_bytes(pid, field):
    with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as file:
        for line in file:
            if line.startswith(field):
                return int(line.split()[1]) * 1024
    return 0


@contextlib.contextmanager
def watched(look):
    """What `look()` returns, now and every WATCH_S until the end."""
    looks = [look()]
    done = threading.Event()

    def watch():
        while not done.wait(WATCH_S):
            looks.append(look())
    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield looks
    finally:
        done.set()
        watcher.join()


class Watch:
    """What anybody does in a directory, seen by inotify(7): for a canary that must be left alone.
    A context; `events` tells (what, name) of all since the last look."""

    _NAMES = {0x1: "read", 0x2: "write", 0x4: "change", 0x8: "close", 0x10: "close", 0x20: "open",
              0x40: "move", 0x80: "move", 0x100: "make", 0x200: "remove", 0x400: "remove"}
    _HEADER = struct.Struct("=iIII")

    def __init__(self, path):
        libc = ctypes.CDLL(None, use_errno=True)
        self._fd = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), "inotify_init1")
        if libc.inotify_add_watch(self._fd, os.fsencode(path), sum(self._NAMES)) < 0:
            error = ctypes.get_errno()
            os.close(self._fd)
            raise OSError(error, "inotify_add_watch", path)

    def events(self):
        found = []
        with contextlib.suppress(BlockingIOError):
            while data := os.read(self._fd, 1 << 16):
                while data:
                    _, mask, _, length = self._HEADER.unpack_from(data)
                    end = self._HEADER.size + length
                    name = data[self._HEADER.size:end].rstrip(b"\0").decode(errors="replace")
                    found.append((self._NAMES.get(mask & 0xfff, "other"), name))
                    data = data[end:]
        return found

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self._fd)


def tree(path):
    """Every path below a directory, relative, sorted; empty if the directory is not there."""
    found = []
    for directory, names, files in os.walk(path):
        found += [os.path.relpath(os.path.join(directory, name), path) for name in names + files]
    return sorted(found)


def own_memory_kib(pid):
    """What it shares with nobody: pages that it has written to. proc(5), smaps_rollup."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("Anonymous:"))
