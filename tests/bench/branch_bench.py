"""What an interpreter with its modules up costs a connection, by each way to have one.

The handler is Python with modules that many import. The others, without any isolation: `python3`
that is executed for each connection, and one that is up and forks. Ours: containers that begin with
their program, that branch from a snapshot, and that are parked. All take turns, as in
launcher_bench.py.
"""

import contextlib
import os
import subprocess
import tempfile

import docker_engine
import launcher_bench
import script_case
from faasd_process import PATH, Faasd
from request_bench import ask

MODULES = ("import asyncio, decimal, email.message, http.client, json, logging, ssl\n"
           "import urllib.request, uuid\n")
HANDLER = MODULES + "def handler(event, context):\n    return 'ok'\n"
ANSWER = MODULES + """
import os, socket, sys

REPLY = b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\nConnection: close\\r\\n\\r\\nok"


def answer(connection):
    connection.recv(65536)
    connection.sendall(REPLY)
    connection.shutdown(socket.SHUT_WR)
    connection.recv(65536)
    os._exit(0)
"""
EXECUTED = ANSWER + "\nanswer(socket.socket(fileno=0))\n"
FORKING = ANSWER + """
import signal

signal.signal(signal.SIGCHLD, signal.SIG_IGN)
listener = socket.create_server(("127.0.0.1", 0), backlog=512)
print(listener.getsockname()[1], flush=True)
while True:
    client, _ = listener.accept()
    if os.fork() == 0:
        answer(client)
    client.close()
"""


def make_image(directory):
    context = os.path.join(directory, "context")
    os.mkdir(context)
    for name, text in (("handler.py", HANDLER),
                       ("Dockerfile", "FROM faas/python\nCOPY handler.py ./\n")):
        with open(os.path.join(context, name), "w", encoding="utf-8") as file:
            file.write(text)
    engine = docker_engine.DockerEngine(os.path.join(directory, "engine"))
    try:
        base = docker_engine.Base("faas/python", script_case.HANDLERS, "python/Dockerfile")
        return str(engine.image_tar(context, bases=(base,)))
    finally:
        engine.stop()


@contextlib.contextmanager
def forking(path):
    """The port of a server that forks for each connection."""
    with subprocess.Popen(["/usr/bin/python3", "-I", path], stdout=subprocess.PIPE,
                          env={"PATH": PATH}) as process:
        try:
            yield int(process.stdout.readline())
        finally:
            process.kill()


@contextlib.contextmanager
def ways(daemon):
    """{name: how to ask it once}."""
    with contextlib.ExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="b-"))
        programs = {}
        for name, text in (("executed", EXECUTED), ("forking", FORKING)):
            programs[name] = os.path.join(directory, name + ".py")
            with open(programs[name], "w", encoding="utf-8") as file:
                file.write(text)
        ports = {
            "python3 executed": stack.enter_context(
                launcher_bench.peer("/usr/bin/python3", "-I", programs["executed"])),
            "python3 forked": stack.enter_context(forking(programs["forking"]))}
        found = {name: lambda port=port: ask("127.0.0.1", port) for name, port in ports.items()}
        image = make_image(directory)
        for name, options in (("runc", ("--launcher", "runc")),
                              ("native", ("--launcher", "native")),
                              ("runc, branched", ("--launcher", "runc", "--mode", "branched")),
                              ("native, branched", ("--launcher", "native", "--mode", "branched")),
                              ("native, branched, warm", ("--launcher", "native", "--mode",
                                                          "branched", "--warm", "8"))):
            function = name.translate(str.maketrans(" ", "-", ","))
            address = daemon.deploy(function, image, *options, "--queue-timeout", "120s")
            if "branched" in options:
                daemon.log.wait_until(
                    lambda function=function: daemon.describe(function)["snapshot"].startswith(
                        "ready"), "there is no snapshot")
            found["faasd " + name] = lambda address=address: ask(address)
        yield found


def ratios(latency):
    """The figures that are goals."""
    apart = latency["20 ms apart"]
    branched = apart["faasd native, branched"]["p50_ms"]
    return {f"branched_against_{name.replace(' ', '_')}": round(
        apart[name]["p50_ms"] / branched, 2) for name in ("python3 executed", "python3 forked",
                                                          "faasd native", "faasd runc")}


def snapshot_memory(daemon):
    """What all branches of a function share, in MiB."""
    return daemon.log.find("snapshot_ready")[0]["bytes"] / 2 ** 20


def measure(sizes):
    """`sizes` as launcher_bench has them."""
    daemon = Faasd()
    try:
        with ways(daemon) as found:
            latency = {f"{pause} ms apart": launcher_bench.measure_latency(found, sizes, pause)
                       for pause in launcher_bench.PAUSES_MS}
            throughput = launcher_bench.measure_throughput(found, sizes)
        memory = {"snapshot_MiB": round(snapshot_memory(daemon), 1)}
        daemon.stop()
        left = daemon.leftovers()
    finally:
        daemon.destroy()
    return {"latency": latency, "throughput": throughput, "memory": memory,
            "ratios": ratios(latency), "left_at_the_end": left}
