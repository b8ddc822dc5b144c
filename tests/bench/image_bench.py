"""What an image costs: to import, to deploy again, on the disk, in memory, of the processors.

Everything is on one disk, below one directory. Before each measured step everything written is on
the disk, the disk is quiet, and what is read next is in the page cache. Those that are compared
take turns.
"""

import contextlib
import dataclasses
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import disk
import docker_engine
import image_archives
import unpackers
from faasd_process import PATH, Faasd, curl
from unpack_watch import UnpackWatch

MIB = 1 << 20


class Sizes:
    def __init__(self, quick, rounds=None):
        self.small = quick
        self.rounds = rounds or (1 if quick else 5)
        self.watched_rounds = min(self.rounds, 3)
        self.functions = 5 if quick else 50
        self.packed = ("gzip",) if quick else ("gzip", "zstd")


@dataclasses.dataclass
class Archives:
    """By path; `packed` has what could be made, `missing` says why the others could not."""

    plain: str
    packed: dict[str, str]
    missing: dict[str, str]


def make_archives(directory, sizes):
    if sizes.small:
        plain = image_archives.small_image(os.path.join(directory, "plain.tar"))
    else:
        with docker_engine.DockerEngine(os.path.join(directory, "e")) as engine:
            plain = image_archives.debian_with_python(engine)
    archives = Archives(plain, {}, {})
    for kind in sizes.packed:
        if shutil.which("skopeo", path=PATH) is None:
            archives.missing[kind] = "skopeo is not installed"
            continue
        try:
            archives.packed[kind] = image_archives.packed(
                plain, kind, os.path.join(directory, f"{kind}.tar"))
        except subprocess.CalledProcessError as error:
            archives.missing[kind] = error.stderr.decode(errors="replace").strip()[-200:]
    return archives


def tell(what):
    """A full run takes a while."""
    print(f"images: {what}", file=sys.stderr, flush=True)


# --- import, against others

def timed(directory, step, *reads):
    """(seconds until the step returned, until all that it wrote was on the disk)."""
    disk.settle(directory, *reads)
    started = time.perf_counter()
    step()
    returned = time.perf_counter() - started
    os.sync()
    return returned, time.perf_counter() - started


def import_rounds(directory, unpackers_of_round, rounds):
    """{unpacker: [(returned, on disk)]} and {unpacker: why there is none}."""
    taken = {each: [] for each in unpackers_of_round}
    problems = {}
    for number in range(rounds):
        tell(f"import, round {number + 1} of {rounds}")
        for each in unpackers_of_round:
            if each in problems:
                continue
            try:
                each.prepare()
                taken[each].append(timed(directory, each.run, *each.reads))
            except unpackers.ToolError as error:
                problems[each] = str(error)
            finally:
                each.clean()
    return taken, problems


def import_rows(group, taken, problems):
    """The first of a group is faasd; ratios are its time to that of the row."""
    rows, ours = [], None
    for each in group:
        if each in problems:
            rows.append({"name": each.name, "problem": problems[each]})
            continue
        returned, on_disk = (statistics.median(column) for column in zip(*taken[each]))
        ours = ours or (returned, on_disk)
        rows.append({"name": each.name, "command_s": round(returned, 3),
                     "on_disk_s": round(on_disk, 3), "ratio": round(ours[0] / returned, 3),
                     "on_disk_ratio": round(ours[1] / on_disk, 3), "rounds": len(taken[each])})
    return rows


def measure_import(directory, archives, sizes, left):
    groups = [[
        unpackers.FaasNew("faas new -f", directory, archives.plain, left),
        unpackers.Tar("tar x of the layers", directory, image_archives.plain_layers(
            archives.plain, os.path.join(directory, "plain"))),
        unpackers.DockerLoad(directory, archives.plain),
        unpackers.SkopeoAndUmoci(directory, archives.plain),
        unpackers.PodmanLoad(directory, archives.plain),
    ]]
    for kind, path in archives.packed.items():
        layers = image_archives.packed_layers(path, os.path.join(directory, kind))
        groups.append([
            unpackers.FaasNew(f"faas new -f, {kind} layers", directory, path, left),
            unpackers.Tar(f"tar x of the {kind} layers", directory, layers)])
    everyone = [each for group in groups for each in group]
    try:
        taken, problems = import_rounds(directory, everyone, sizes.rounds)
    finally:
        for each in everyone:
            each.close()
    rows = [row for group in groups for row in import_rows(group, taken, problems)]
    return rows + [{"name": f"{kind} layers", "problem": why}
                   for kind, why in archives.missing.items()]


# --- the same function again

def measure_redeploy(directory, archives, sizes, left):
    """Only the highest layer differs, in each deploy from all before."""
    tell("deploy again")
    changed = [os.path.join(directory, f"changed-{number}.tar") for number in range(2)]
    for number, path in enumerate(changed):
        with open(path, "wb") as out:
            image_archives.write_with_other_top(archives.plain, number, out)
    taken = []
    for _ in range(sizes.rounds):
        with empty_daemon(directory, left) as faasd:
            taken.append((
                timed(directory, lambda: deploy(faasd, archives.plain), archives.plain)[0],
                timed(directory, lambda: deploy(faasd, changed[0]), changed[0])[0],
                timed(directory, lambda: deploy_through_cat(faasd, changed[1]), changed[1])[0]))
    disk.remove(*changed)
    first, again, piped = (statistics.median(column) for column in zip(*taken))
    return {"rounds": sizes.rounds, "first_s": round(first, 3), "again_s": round(again, 3),
            "again_piped_s": round(piped, 3), "ratio": round(again / first, 3),
            "ratio_piped": round(piped / first, 3)}


@contextlib.contextmanager
def empty_daemon(directory, left):
    own = tempfile.mkdtemp(prefix="d-", dir=directory)
    faasd = Faasd(directory=own)
    try:
        yield faasd
    finally:
        unpackers.end_daemon(faasd, left)
        disk.remove(own)


def deploy(faasd, archive, name="app"):
    faasd.faas("new", name, "-f", archive, check=True, timeout_s=unpackers.PATIENCE_S)


def deploy_through_cat(faasd, archive):
    with subprocess.Popen(["cat", archive], stdout=subprocess.PIPE, env={"PATH": PATH}) as cat:
        faasd.faas("new", "app", input=cat.stdout, check=True, timeout_s=unpackers.PATIENCE_S)


# --- many functions on one base

def measure_disk(directory, archives, sizes, left):
    """Of layers and images; each function's image has a highest layer of its own."""
    tell(f"{sizes.functions} functions")
    with empty_daemon(directory, left) as faasd:
        trees = [os.path.join(faasd.state_dir, name) for name in ("layers", "trees", "images")]
        free = disk.free_bytes(directory)
        deploy(faasd, archives.plain, "f0")
        if (reply := curl(faasd.ip("f0"))).status != 200:
            raise RuntimeError(f"the imported image does not answer: {reply}")
        faasd.idle_footprint()
        one, free_with_one = disk.usage(*trees), disk.free_bytes(directory)
        other = os.path.join(directory, "other.tar")
        for number in range(1, sizes.functions):
            write_in_place(other, archives.plain, number)
            deploy(faasd, other, f"f{number}")
        disk.remove(other)
        if (reply := curl(faasd.ip(f"f{number}"))).status != 200:
            raise RuntimeError(f"an image that shares directories does not answer: {reply}")
        faasd.idle_footprint()
        many, free_with_many = disk.usage(*trees), disk.free_bytes(directory)
    return {
        "functions": sizes.functions,
        "one_mib": round(one.bytes / MIB, 1), "many_mib": round(many.bytes / MIB, 1),
        "ratio": round(many.bytes / one.bytes, 3),
        "one_directories_mib": round(one.directory_bytes / MIB, 1),
        "many_directories_mib": round(many.directory_bytes / MIB, 1),
        "each_more_kib": round((many.bytes - one.bytes) / (sizes.functions - 1) / 1024, 1),
        "one_by_free_space_mib": round((free - free_with_one) / MIB, 1),
        "many_by_free_space_mib": round((free - free_with_many) / MIB, 1),
    }


def write_in_place(path, archive, mark):
    """Over the archive of the function before: its pages need not be on the disk in between."""
    with open(path, "r+b" if os.path.exists(path) else "wb") as out:
        image_archives.write_with_other_top(archive, mark, out)
        out.truncate()


# --- memory and processors

def measure_watched(directory, archives, sizes, left):
    """Rounds of their own: to look costs time."""
    tell("memory and processors")
    result = {}
    for kind, path in {"plain": archives.plain, **archives.packed}.items():
        watches = []
        for _ in range(sizes.watched_rounds):
            with empty_daemon(directory, left) as faasd:
                disk.settle(directory, path)
                with UnpackWatch(faasd.process.pid) as watch:
                    deploy(faasd, path)
                watches.append(watch)
        result[kind] = {
            "peak_above_idle_mib": round(max(each.peak_bytes for each in watches) / MIB, 1),
            "unpacker_cores": round(statistics.median(
                each.unpacker_cores for each in watches), 2),
            "all_cores": round(statistics.median(each.all_cores for each in watches), 2),
        }
    for kind, why in archives.missing.items():
        result[kind] = {"problem": why}
    return result


# --- all of it

def measure(sizes, parent):
    """(name of a part, its figures), one after the other. `parent` is a directory, made if need be,
    on the disk that is meant. `left` comes last: what the daemons left on the machine."""
    os.makedirs(parent, exist_ok=True)
    directory = tempfile.mkdtemp(prefix="i-", dir=parent)
    left = []
    try:
        archives = make_archives(directory, sizes)
        yield "archive", {"filesystem": disk.filesystem(directory), "page_cache": "warm",
                          **image_archives.describe(archives.plain)}
        for name, part in (("import", measure_import), ("redeploy", measure_redeploy),
                           ("disk", measure_disk), ("watched", measure_watched)):
            yield name, part(directory, archives, sizes, left)
    except (docker_engine.Unavailable, docker_engine.EngineError) as error:
        yield "archive", {"problem": f"no image to import: {error}"}
    finally:
        disk.remove(directory)
    yield "left", left


TITLES = {
    "archive": "images", "import": "import", "redeploy": "deploy again, another top layer",
    "disk": "many functions on one base", "watched": "memory and processors of an import",
}


def table(name, figures):
    if name == "left":
        return "\n".join(f"left: {text}" for text in figures)
    lines = [TITLES[name]]
    if name == "import":
        lines += _import_table(figures)
    elif name == "watched":
        for kind, each in figures.items():
            lines += [f"  {kind} layers", *(f"  {line}" for line in _rows(each))]
    else:
        lines += _rows(figures)
    return "\n".join(lines)


def _import_table(rows):
    lines = [f"  {'':36}{'returned':>10}{'on disk':>10}   faasd's ratio to it: returned, on disk"]
    for row in rows:
        if "problem" in row:
            lines.append(f"  {row['name']:36}{row['problem']}")
        else:
            lines.append(f"  {row['name']:36}{row['command_s']:8.3f} s{row['on_disk_s']:8.3f} s"
                         f"   {row['ratio']:.3f}, {row['on_disk_ratio']:.3f}")
    return lines


def _rows(figures):
    return [f"  {name.replace('_', ' '):34} {value}" for name, value in figures.items()]
