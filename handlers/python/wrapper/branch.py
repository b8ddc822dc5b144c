"""Writes this process's memory to a snapshot, from which other containers begin. What Python and
its libraries know of os.fork() holds for it: what is registered there is called."""

import ctypes
import gc
import os
import sys

CODE_BYTES = 64 * 1024  # of the file, from its beginning: docs/PROTOCOL.md
PROT_READ_EXEC = 1 | 4
MAP_PRIVATE = 2


def _address_in(library, name):
    try:
        return ctypes.addressof(ctypes.c_char.in_dll(library, name))
    except ValueError:
        return None  # another C library


def _freezer(libc, file):
    """The function in the file: int freeze(int file, long rseq, void **curbrk)."""
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int,
                          ctypes.c_int, ctypes.c_long]
    code = libc.mmap(None, CODE_BYTES, PROT_READ_EXEC, MAP_PRIVATE, file, 0)
    # Not CFUNCTYPE: what is copied has the interpreter to itself.
    return ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_long, ctypes.c_void_p)(code)


def _draw_new_randomness():
    """Of those that os.register_at_fork does not reach."""
    if "ssl" in sys.modules:
        sys.modules["ssl"].RAND_add(os.urandom(64), 64.0)
    if "numpy.random" in sys.modules:
        sys.modules["numpy.random"].seed()


def freeze(file, rehearse):
    """Returns in the containers that begin with the snapshot; the process that made it ends."""
    rehearse()
    _draw_new_randomness()
    libc = ctypes.CDLL(None)
    function = _freezer(libc, file)
    offset = _address_in(libc, "__rseq_offset")
    rseq = ctypes.c_ssize_t.from_address(offset).value if offset else 0
    curbrk = _address_in(libc, "__curbrk")
    os.register_at_fork(after_in_child=_draw_new_randomness)
    sys.stdout.flush()
    sys.stderr.flush()
    gc.collect()
    gc.freeze()  # what lives by now lives on: a collection would write to each of its pages
    ctypes.pythonapi.PyOS_BeforeFork()
    result = function(file, rseq, curbrk)
    if result != 1:
        os._exit(0 if result == 0 else 1)
    ctypes.pythonapi.PyOS_AfterFork_Child()
