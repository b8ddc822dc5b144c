"""What a daemon holds, and what the kernel holds for it: before and after many requests."""

import os

import machine

MIB = 1 << 20
# What the daemon may have grown by and still be where it was: what its allocator keeps of 8,192
# connections at once is several times that.
RESIDENT_ROOM = 8 * MIB
# How long the kernel may take to let go of cgroups that are removed. One for each image may stay:
# who is the first to read its files has them on its account, as long as they are cached.
LET_GO_S = 60


def zombies():
    """How many processes below us, so below the daemon too, have ended and nobody asks how."""
    return sum(1 for pid in machine.descendants(os.getpid()) if machine.is_zombie(pid))


def held(faasd):
    """{what: how much}; the memory in bytes."""
    footprint = faasd.footprint()
    counts = {kind: amount if isinstance(amount, int) else len(amount)
              for kind, amount in footprint.items()}
    return {**counts, "zombies": zombies(), "mounts of the host": len(machine.mount_points()),
            "dying cgroups": max(machine.dying_cgroups().values(), default=0),
            "resident": machine.resident_bytes(faasd.process.pid)}


def wait_until_given_back(faasd, before):
    """What the kernel does not let go of is seen in the figures."""
    try:
        faasd.log.wait_until(
            lambda: held(faasd)["dying cgroups"] <= before["dying cgroups"], "", LET_GO_S)
    except AssertionError:
        pass


def told(before, after):
    """{what: "before, then after"}, the memory in MiB."""
    def unit(kind):
        return MIB if kind == "resident" else 1
    return {kind: f"{before[kind] / unit(kind):.4g}, then {after[kind] / unit(kind):.4g}"
            for kind in before}


def left(before, after, dying):
    """Sentences about what is more than before; so many cgroups may be dying more."""
    room = {"resident": RESIDENT_ROOM, "dying cgroups": dying}
    return [f"{kind}: {before[kind]}, then {after[kind]}" for kind in before
            if after[kind] > before[kind] + room.get(kind, 0)]
