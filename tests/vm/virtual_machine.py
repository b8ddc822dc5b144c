"""One qemu process: boots the base image with a throw-away layer, and the tests' disk beside it.

The processor is emulated (TCG), so that it runs where /dev/kvm does not, or is not there; it has no
network. It ends with its parent.
"""

import subprocess
import sys
import threading

import base_image
from docker_engine import die_with_parent, program

PROCESSORS = 2
MEMORY_MIB = 2048
# The same files at each start, and nothing of them is worth keeping: no write need reach a disk.
DISK = "if=virtio,format=raw,cache=unsafe"


def command(base, tests_disk, console, *kernel_arguments):
    """`console` are qemu's arguments for the serial lines: the console, then the results."""
    append = ["root=/dev/vda", "rw", "quiet", "fastboot", "noresume", "panic=-1",
              f"console={base_image.CONSOLE}", *kernel_arguments]
    return [program("qemu-system-x86_64", "qemu-system-x86"), "-machine", "q35",
            "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", str(PROCESSORS),
            "-m", str(MEMORY_MIB), "-nodefaults", "-display", "none", "-no-reboot",
            "-kernel", str(base.kernel), "-initrd", str(base.initrd), "-append", " ".join(append),
            "-drive", f"file={base.root},snapshot=on,{DISK}",
            "-drive", f"file={tests_disk},readonly=on,{DISK}", *console]


class StoodStill(Exception):
    """The machine has said nothing for longer than any of its tests may take."""


def run_tests(base, tests_disk, console_log, timeout_s, silence_s):
    """Prints what the tests say as they say it. Returns the last line, and whether the machine
    powered itself off in time. Throws StoodStill."""
    arguments = command(base, tests_disk,
                        ["-serial", f"file:{console_log}", "-serial", "stdio"],
                        base_image.TESTS_FLAG)
    last, silent = "", threading.Event()

    def give_up():
        silent.set()
        process.kill()
    with subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, preexec_fn=die_with_parent) as process:
        timer = threading.Timer(timeout_s, process.kill)
        timer.start()
        silence = threading.Timer(silence_s, give_up)
        silence.start()
        try:
            for line in process.stdout:
                silence.cancel()
                last = line.decode(errors="replace").rstrip("\r\n")
                print(last, flush=True)
                silence = threading.Timer(silence_s, give_up)
                silence.start()
        finally:
            timer.cancel()
            silence.cancel()
            process.kill()  # nothing if it has ended
    if silent.is_set():
        raise StoodStill
    return last, process.returncode == 0


def shell(base, tests_disk):
    """A root shell on this terminal, until the machine is powered off or Ctrl-A X."""
    sys.stdout.flush()
    subprocess.run(command(base, tests_disk, ["-serial", "mon:stdio", "-serial", "null"]),
                   check=False)
