"""What an import takes of memory and processors, read from /proc while it runs.

    with UnpackWatch(daemon's pid) as watch:
        …
    watch.peak_bytes, watch.unpacker_cores

Memory is the kernel's own high-water mark of both processes, each above the daemon's idle size, so
no peak is missed; the two need not have come at once, so the sum may be too high, never too low.
Pages of the program itself count. The child is looked at every few milliseconds: what it does in
the last of them is not seen.
"""

import os
import threading
import time

import machine

EVERY_S = 0.005
UNPACK_VERB = "unpack-image"  # of the daemon's own program, that unpacks
TICKS = os.sysconf("SC_CLK_TCK")
USER_TICKS, SYSTEM_TICKS = 11, 12  # proc(5), counted from the state, behind the name
RESET_PEAK = "5"  # proc(5), clear_refs


class UnpackWatch:
    def __init__(self, daemon):
        self._daemon = daemon
        self._idle = machine.resident_bytes(daemon)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._peaks = {}  # the last one seen of each child: it only grows
        self._times = {}  # of each child: (first seen, last seen, processor seconds)
        self.peak_bytes = 0
        self.unpacker_cores = 0.0
        self.all_cores = 0.0

    def __enter__(self):
        with open(f"/proc/{self._daemon}/clear_refs", "w", encoding="ascii") as file:
            file.write(RESET_PEAK)
        self._started = time.monotonic()
        self._before = self._others_seconds()
        self._thread.start()
        return self

    def __exit__(self, *_):
        taken = time.monotonic() - self._started
        others = self._others_seconds() - self._before
        self._over.set()
        self._thread.join()
        if not self._times:
            raise RuntimeError(f"no child of the daemon ran {UNPACK_VERB}")
        self.peak_bytes = machine.peak_bytes(self._daemon) - self._idle + max(self._peaks.values())
        alive = sum(last - first for first, last, _ in self._times.values())
        busy = sum(seconds for _, _, seconds in self._times.values())
        self.unpacker_cores = busy / max(alive, EVERY_S)
        self.all_cores = (busy + others) / taken

    def _others_seconds(self):
        """Of the daemon and of the command lines that have ended."""
        times = os.times()
        return _cpu_seconds(self._daemon) + times.children_user + times.children_system

    def _look(self):
        while not self._over.wait(EVERY_S):
            for pid in machine.descendants(self._daemon):
                try:
                    if UNPACK_VERB in machine.command_of(pid):
                        self._note(pid)
                except (OSError, ValueError, IndexError):
                    continue  # it has just ended

    def _note(self, pid):
        seconds, peak, now = _cpu_seconds(pid), machine.peak_bytes(pid), time.monotonic()
        if peak:  # a zombie has none
            first = self._times.get(pid, (now,))[0]
            self._peaks[pid] = peak
            self._times[pid] = (first, now, seconds)


def _cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[USER_TICKS]) + int(fields[SYSTEM_TICKS])) / TICKS
