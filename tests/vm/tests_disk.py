"""The machine's second disk: what `cmake --install` installs, and the tests with all they deploy.

    install/                 for the root of the machine, prefix /usr
    tests/, build/release/   as in a checkout; but of the programs only those that are not installed
    words                    which tests, a word a line; none: all
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import base_image

ROOT = Path(__file__).resolve().parents[2]
TESTS = ("support", "e2e", "vm/guest")
INSTALLED = ("faasd", "faas")
# Besides the content: what ext4 needs for itself.
SPARE_BYTES = 16 << 20
INSTALL_S = 120


def make_tests_disk(build, path, words):
    tree = path.with_suffix(".tree")
    try:
        _fill(tree, Path(build), words)
        size = sum(each.lstat().st_size for each in tree.rglob("*")) + SPARE_BYTES
        base_image.make_ext4(tree, path, f"{size >> 10}k", base_image.TESTS_LABEL)
    finally:
        shutil.rmtree(tree, ignore_errors=True)


def _fill(tree, build, words):
    subprocess.run(["cmake", "--install", str(build), "--prefix", "/usr"], check=True,
                   capture_output=True, timeout=INSTALL_S,
                   env={**os.environ, "DESTDIR": str(tree / "install")})
    for name in TESTS:
        shutil.copytree(ROOT / "tests" / name, tree / "tests" / name,
                        ignore=shutil.ignore_patterns("__pycache__"))
    # The disk cannot be written to there, and to compile them at each start takes seconds.
    subprocess.run([sys.executable, "-m", "compileall", "-q", str(tree / "tests")], check=True,
                   stdout=subprocess.DEVNULL)
    release = tree / "build" / "release"
    shutil.copytree(build / "bin", release / "bin", ignore=shutil.ignore_patterns(*INSTALLED))
    shutil.copy2(build / "hello.tar", release)
    (tree / "words").write_text("".join(f"{word}\n" for word in words), encoding="utf-8")
