"""What programs in Python usually ask of the kernel. One line a check on stdout: its name, `ok` or
what it raised."""

import asyncio
import concurrent.futures
import fcntl
import gc
import mmap
import multiprocessing
import os
import pty
import select
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import termios
import threading

BIG = 64 << 20


def threads():
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(lambda n: n * n, range(100))) == 328350
    done = threading.Event()
    threading.Timer(0.01, done.set).start()
    assert done.wait(30)


def processes():
    with multiprocessing.Pool(2) as pool:
        assert pool.map(abs, [-1, -2]) == [1, 2]
    shown = subprocess.run(["/bin/sh", "-c", "echo out; exit 3"], capture_output=True, check=False)
    assert (shown.returncode, shown.stdout) == (3, b"out\n")


def sockets():
    left, right = socket.socketpair()
    left.sendall(b"pair")
    assert right.recv(4) == b"pair"
    directory = tempfile.mkdtemp()
    for family, address in ((socket.AF_UNIX, directory + "/s"), (socket.AF_INET, ("127.0.0.1", 0)),
                            (socket.AF_INET6, ("::1", 0))):
        server = socket.socket(family)
        server.bind(address)
        server.listen()
        client = socket.socket(family)
        client.connect(server.getsockname())
        client.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        peer, _ = server.accept()
        client.sendmsg([b"over ", b"it"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, b"\0\0\0\0")]
                       if family == socket.AF_UNIX else [])
        assert peer.recv(7) == b"over it"
    assert ("lo" in dict((name, number) for number, name in socket.if_nameindex()))


def event_loop():
    async def main():
        process = await asyncio.create_subprocess_exec("/bin/true")
        assert await process.wait() == 0
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"line\n")
        assert await asyncio.wait_for(reader.readline(), 30) == b"line\n"
        writer.close()

    async def echo(reader, writer):
        writer.write(await reader.readline())
        await writer.drain()
        writer.close()

    async def all_of_it():
        nonlocal server
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        async with server:
            await main()
    server = None
    asyncio.run(all_of_it())
    poll = select.epoll()
    poll.register(os.eventfd(1), select.EPOLLIN)
    assert len(poll.poll(30)) == 1


def no_name_service():
    try:
        socket.getaddrinfo("nobody.invalid", 80)
    except socket.gaierror:
        return
    raise AssertionError("a name was resolved")


def files():
    directory = tempfile.mkdtemp()
    path = os.path.join(directory, "a")
    with open(path, "wb") as file:
        file.write(b"x" * 100_000)
        fcntl.flock(file, fcntl.LOCK_EX)
        os.fsync(file.fileno())
        os.posix_fallocate(file.fileno(), 0, 200_000)
    shutil.copy2(path, path + ".copy")
    os.symlink("a", path + ".link")
    os.link(path, path + ".hard")
    os.mkfifo(path + ".fifo")
    os.chmod(path, 0o600)
    os.utime(path)
    os.rename(path, path + ".moved")
    assert len(os.listdir(directory)) == 5
    with open(path + ".moved", "r+b") as file, mmap.mmap(file.fileno(), 0) as view:
        view[:3] = b"abc"
    database = sqlite3.connect(os.path.join(directory, "d"))
    database.execute("CREATE TABLE t (a)")
    database.execute("INSERT INTO t VALUES (1)")
    database.commit()
    shutil.rmtree(directory)


def memory():
    block = bytearray(BIG)
    block[::4096] = b"y" * (BIG // 4096)
    del block
    gc.collect()
    os.ftruncate(os.memfd_create("m"), BIG)


def signals():
    got = []
    signal.signal(signal.SIGALRM, lambda *_: got.append(1))
    signal.setitimer(signal.ITIMER_REAL, 0.01)
    while not got:
        signal.pause()
    process = subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE)
    signal.pidfd_send_signal(os.pidfd_open(process.pid), signal.SIGTERM)
    assert process.wait(30) == -signal.SIGTERM


def terminal():
    main, other = pty.openpty()
    termios.tcgetattr(other)
    os.get_terminal_size(main)
    os.write(main, b"typed\n")
    assert os.read(other, 100) == b"typed\n"


print("HTTP/1.0 200 OK\r\n\r\n", end="")
for check in (threads, processes, sockets, event_loop, no_name_service, files, memory, signals,
              terminal):
    try:
        check()
        print(check.__name__, "ok")
    except Exception as error:  # pylint: disable=broad-except
        print(check.__name__, type(error).__name__, error)
sys.stdout.flush()
