"""What of before the snapshot a container has to itself, and what works after it."""

import asyncio
import os
import random
import secrets
import socket
import ssl
import subprocess
import threading
import uuid

count = 0
heard = []
ssl.RAND_bytes(8)  # from here on it has a state of its own
random.random()
os.register_at_fork(before=lambda: heard.append("before"),
                    after_in_child=lambda: heard.append("after"))


async def wait():
    await asyncio.sleep(0.001)
    return "waited"


def handler(event, context):
    global count
    count += 1
    found = []
    thread = threading.Thread(target=lambda: found.append("a thread"))
    thread.start()
    thread.join()
    child = subprocess.run(["/bin/echo", "a child"], capture_output=True, check=True)
    return {"same": {"count": count, "heard": heard, "pid": os.getpid(), "found": found,
                     "child": child.stdout.decode(), "asyncio": asyncio.run(wait()),
                     "environment": os.environ["MODE"], "main": threading.active_count()},
            "new": [random.random(), secrets.token_hex(), ssl.RAND_bytes(16).hex(),
                    str(uuid.uuid4()), socket.gethostname()]}
