"""A client that asks at given times, whether what it asked before was answered or not. One thread,
so that many at once do not wait for each other's turn of an interpreter.
"""

import random
import select
import socket
import time

from request_bench import REQUEST

PATIENCE_S = 60


class Asked:
    """One request on its way; `due` is when it was to be sent, which is when its time begins."""

    def __init__(self, address, port, due):
        self.due = due
        self.reply = b""
        self.socket = socket.create_connection((address, port), PATIENCE_S)
        self.socket.sendall(REQUEST)
        self.socket.setblocking(False)

    def fileno(self):
        return self.socket.fileno()

    def read(self):
        """True at the end of the reply."""
        data = self.socket.recv(1 << 16)
        self.reply += data
        return not data

    def is_good(self):
        return self.reply.startswith(b"HTTP/1.1 200")


def ask_at(address, port, due):
    """[(when it was due, seconds from then to the end of the reply)] in the order of the replies,
    and what failed; `due` are seconds from now, in order."""
    waiting, answered, failed = [], [], []
    started, at = time.perf_counter(), 0
    while at < len(due) or waiting:
        now = time.perf_counter() - started
        if at < len(due) and due[at] <= now:
            waiting.append(Asked(address, port, due[at]))
            at += 1
            continue
        pause = due[at] - now if at < len(due) else PATIENCE_S
        # Not poll(2), of which a pause is whole milliseconds.
        readable, _, _ = select.select(waiting, [], [], pause)
        if not readable and at == len(due):
            raise TimeoutError(f"{len(waiting)} requests without an answer")
        now = time.perf_counter() - started
        for asked in readable:
            try:
                if not asked.read():
                    continue
            except OSError as error:
                failed.append(str(error))
            else:
                answered.append((asked.due, now - asked.due))
                if not asked.is_good():
                    failed.append(f"no answer but {asked.reply[:200]!r}")
            asked.socket.close()
            waiting.remove(asked)
    return answered, failed


def arrivals(rate, seconds, seed=1):
    """Times of independent clients (a Poisson process), the same ones for the same seed."""
    chance, found, at = random.Random(seed), [], 0.0
    while (at := at + chance.expovariate(rate)) < seconds:
        found.append(at)
    return found
