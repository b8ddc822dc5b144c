"""The Debian that the virtual machine boots: root file system, kernel and initial RAM disk.

Made once of the host's own release, since the programs are built for its libraries, and kept in the
tests' cache; a run boots it with a throw-away layer on top and never changes it. Raises
docker_engine.Unavailable(reason) where it cannot be made.
"""

import hashlib
import os
import platform
import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from docker_engine import Unavailable, cache_directory, locked, program

# What the machine needs beyond a minimal Debian; the libraries of faasd come from its binaries.
PACKAGES = ("busybox-static", "dbus", "kmod", "python3", "runc", "systemd", "systemd-sysv", "udev")
KERNELS = {"debian": "linux-image-cloud-amd64", "ubuntu": "linux-image-virtual"}
COMPONENTS = {"debian": "main", "ubuntu": "main,universe"}
# Only what brings the root file system up: with all modules, unpacking them takes seconds.
INITRD_MODULES = ("virtio_pci", "virtio_blk", "ext4")
# A snapshot of an hour's work of packages; sparse, so that what is free costs nothing.
SIZE = "4G"
MAKE_S = 900  # about 60 s with a near mirror
FORGET_AFTER_S = 30 * 86_400  # what no run has used for so long

TESTS_MOUNT = "/srv/tests"  # where the disk with the programs and tests is
TESTS_LABEL = "tests"
TESTS_FLAG = "guest.tests"  # on the kernel's command line: run them and power off
CONSOLE, RESULTS = "ttyS0", "/dev/ttyS1"

FILES = {
    "etc/hostname": "guest\n",
    "etc/hosts": "127.0.0.1 localhost\n127.0.1.1 guest\n",
    # With an id of its own it is no first boot, which would enable units anew and ask questions.
    "etc/machine-id": hashlib.md5(b"guest").hexdigest() + "\n",
    "etc/fstab": ("/dev/vda / ext4 rw 0 1\n"
                  f"LABEL={TESTS_LABEL} {TESTS_MOUNT} ext4 ro 0 0\n"),
    "etc/systemd/system/guest-tests.service": f"""[Unit]
Description=Tests of faasd
ConditionKernelCommandLine={TESTS_FLAG}
RequiresMountsFor={TESTS_MOUNT}
After=multi-user.target
SuccessAction=poweroff-immediate
FailureAction=poweroff-immediate

[Service]
Type=oneshot
ExecStart=/usr/bin/python3 {TESTS_MOUNT}/tests/vm/guest/main.py
StandardOutput=file:{RESULTS}
StandardError=inherit
""",
    f"etc/systemd/system/serial-getty@{CONSOLE}.service.d/autologin.conf": """[Service]
ExecStart=
ExecStart=-/sbin/agetty --autologin root --keep-baud 115200,57600,38400,9600 - $TERM
""",
}
LINKS = {
    "etc/systemd/system/multi-user.target.wants/guest-tests.service":
        "/etc/systemd/system/guest-tests.service",
    # Nothing of it matters here, and each takes time of every boot.
    **{f"etc/systemd/system/{unit}": "/dev/null" for unit in (
        "apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "e2scrub_all.timer",
        "e2scrub_reap.service", "fstrim.timer", "getty@tty1.service", "systemd-pstore.service",
        "systemd-timesyncd.service")},
}


class BaseImage:
    """Where it is: `root` (ext4, read only), `kernel` and `initrd`."""

    def __init__(self, directory):
        self.root = directory / "root.ext4"
        self.kernel = directory / "vmlinuz"
        self.initrd = directory / "initrd.img"


def base_image(binaries):
    """One that has the libraries of these binaries."""
    if platform.machine() != "x86_64":
        raise Unavailable(f"the virtual machine is one of x86-64, this is {platform.machine()}")
    if os.geteuid() != 0:
        raise Unavailable("installing a Debian needs root")
    release = platform.freedesktop_os_release()
    distribution, suite = release.get("ID"), release.get("VERSION_CODENAME")
    if distribution not in KERNELS or not suite:
        raise Unavailable("the virtual machine is made of Debian's or Ubuntu's packages, as the "
                          f"host is; this one is {release.get('PRETTY_NAME', 'another')}")
    packages = sorted({*PACKAGES, KERNELS[distribution], *library_packages(binaries)})
    recipe = [distribution, suite, SIZE, *packages, *INITRD_MODULES,
              *(f"{name}\n{text}" for name, text in sorted({**FILES, **LINKS}.items()))]
    key = hashlib.sha256("\0".join(recipe).encode()).hexdigest()[:16]
    cache = cache_directory() / "vm"
    cache.mkdir(exist_ok=True)
    kept = cache / key
    with locked(cache / f"{key}.lock"):
        if not kept.exists():
            _make(kept, suite, COMPONENTS[distribution], packages)
        os.utime(kept)
    _forget_old(cache)
    return BaseImage(kept)


def library_packages(binaries):
    """The packages that own the shared libraries of these binaries."""
    listed = subprocess.run(["ldd", *binaries], capture_output=True, text=True, check=True).stdout
    found = set()
    for path in sorted(set(re.findall(r"(/\S+) \(0x", listed))):
        # Which of the two names a package has it by differs from one to the next.
        names = [path, path.removeprefix("/usr"), "/usr" + path]
        owner = subprocess.run(["dpkg-query", "--search", *names], capture_output=True,
                               text=True).stdout.partition(":")[0]
        if not owner:
            raise Unavailable(f"no package has {path}, which faasd was built with")
        found.add(owner)
    return found


def _make(kept, suite, components, packages):
    with tempfile.TemporaryDirectory(dir=kept.parent, prefix="part-") as parent:
        tree, made = Path(parent, "tree"), Path(parent, "made")
        modules = "\\n".join(INITRD_MODULES)
        _run([program("mmdebstrap", "mmdebstrap"), "--variant=minbase",
              f"--include={','.join(packages)}", f"--components={components}",
              '--essential-hook=mkdir -p "$1/etc/initramfs-tools/conf.d" '
              '"$1/usr/share/initramfs-tools/modules.d"',
              '--essential-hook=echo MODULES=list > "$1/etc/initramfs-tools/conf.d/faasd"',
              f"--essential-hook=printf '{modules}\\n' > "
              '"$1/usr/share/initramfs-tools/modules.d/faasd"',
              suite, str(tree)])
        made.mkdir()
        for name, source in (("vmlinuz", "vmlinuz-*"), ("initrd.img", "initrd.img-*")):
            shutil.copyfile(sorted(tree.glob(f"boot/{source}"))[-1], made / name)
        for name, text in FILES.items():
            path = tree / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        for name, target in LINKS.items():
            path = tree / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.unlink(missing_ok=True)
            path.symlink_to(target)
        (tree / TESTS_MOUNT.lstrip("/")).mkdir(parents=True)
        make_ext4(tree, made / "root.ext4", SIZE)
        made.rename(kept)


def make_ext4(tree, path, size, label=""):
    """A file system with the content of a directory, in a sparse file."""
    _run([program("mke2fs", "e2fsprogs"), "-q", "-t", "ext4", "-m", "0", "-L", label,
          "-E", "root_owner=0:0,lazy_itable_init=0", "-d", str(tree), str(path), size])


def _run(command):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=MAKE_S)
    if done.returncode != 0:
        raise Unavailable(f"{os.path.basename(command[0])} failed: {done.stderr.strip()[-500:]}")


def _forget_old(cache):
    for path in cache.iterdir():
        if path.is_dir() and path.stat().st_mtime < time.time() - FORGET_AFTER_S:
            shutil.rmtree(path)
