"""clang-tidy over every .cpp of the compile database, in parallel, remembering what was clean.

A file is looked at again only if it, a project header that it reaches, its flags, `.clang-tidy` or
clang-tidy itself changed: the name of a file in the cache is the hash of all of them.
"""

import concurrent.futures
import hashlib
import json
import os
import re
import shlex
import subprocess
import time

TOOL = "clang-tidy-14"
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.MULTILINE)
# Files as they were a month ago do not come back.
FORGET_AFTER_S = 30 * 86_400
# g++ knows warnings that clang does not, and the database has g++'s flags.
EXTRA_ARGUMENTS = ["--extra-arg=-Wno-unknown-warning-option", "--quiet"]


class Sources:
    """Texts of project files and what each includes, read once."""

    def __init__(self, root):
        self._root = root
        self._texts = {}

    def _text(self, path):
        if path not in self._texts:
            try:
                with open(os.path.join(self._root, path), encoding="utf-8") as file:
                    self._texts[path] = file.read()
            except OSError:
                self._texts[path] = None  # a system header in quotes
        return self._texts[path]

    def reachable(self, path):
        """`path` and the project headers below it, with their texts, in a stable order."""
        seen, queue = {}, [path]
        while queue:
            current = queue.pop()
            if current in seen or self._text(current) is None:
                continue
            seen[current] = self._text(current)
            here = os.path.dirname(current)
            for name in INCLUDE.findall(seen[current]):
                queue += [name, os.path.normpath(os.path.join(here, name))]
        return sorted(seen.items())


def _key(sources, path, flags, version, config):
    digest = hashlib.sha256()
    for part in (version, config, flags, *[x for pair in sources.reachable(path) for x in pair]):
        digest.update(part.encode() + b"\0")
    return digest.hexdigest()


def _database(root, build_dir):
    """[(path from the root, flags)] of the project's own files."""
    with open(os.path.join(build_dir, "compile_commands.json"), encoding="utf-8") as file:
        entries = json.load(file)
    found = {}
    for entry in entries:
        path = os.path.relpath(os.path.join(entry["directory"], entry["file"]), root)
        if path.endswith(".cpp") and not path.startswith(("..", "build")):
            command = entry.get("command") or shlex.join(entry["arguments"])
            found[path] = command.replace(root, "")  # another clone knows the same file
    return sorted(found.items())


def run(root, build_dir, cache_dir, jobs):
    """Returns (files looked at, files known to be clean, [(path, what clang-tidy said)])."""
    os.makedirs(cache_dir, exist_ok=True)
    version = subprocess.run([TOOL, "--version"], check=True, capture_output=True,
                             text=True).stdout
    with open(os.path.join(root, ".clang-tidy"), encoding="utf-8") as file:
        config = file.read()
    sources = Sources(root)
    keys = {path: _key(sources, path, flags, version, config)
            for path, flags in _database(root, build_dir)}
    todo = [path for path, key in keys.items()
            if not os.path.exists(os.path.join(cache_dir, key))]

    def check(path):
        done = subprocess.run([TOOL, "-p", build_dir, *EXTRA_ARGUMENTS, path], cwd=root,
                              capture_output=True, text=True)
        if done.returncode == 0 and "warning:" not in done.stdout:
            with open(os.path.join(cache_dir, keys[path]), "w", encoding="utf-8") as file:
                file.write(path + "\n")
            return None
        return path, done.stdout + (done.stderr if done.returncode and not done.stdout else "")

    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        findings = [found for found in pool.map(check, todo) if found]
    _forget_old(cache_dir, set(keys.values()))
    return len(todo), len(keys) - len(todo), findings


def _forget_old(cache_dir, used):
    for name in os.listdir(cache_dir):
        path = os.path.join(cache_dir, name)
        if name in used and os.path.exists(path):
            os.utime(path)
        elif os.stat(path).st_mtime < time.time() - FORGET_AFTER_S:
            os.unlink(path)
