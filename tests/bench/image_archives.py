"""The archives of the benchmark of images: a real `docker save`, the same with another top layer,
the same with packed layers, its layers one by one.
"""

import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile

from faasd_process import ROOT, binary
from image_tar import Filler, ImageTar, directory, file

MIB = 1 << 20
DOCKERFILE = os.path.join("..", "tests", "bench", "image.Dockerfile")
HANDLERS = os.path.join(ROOT, "handlers")
SMALL_DIRECTORIES, SMALL_FILES, SMALL_FILE_BYTES = 20, 15, 8 << 10  # of each of two layers


def debian_with_python(engine):
    """What `docker save` writes; made once, then in the cache of the tests."""
    return os.fspath(engine.image_tar(HANDLERS, DOCKERFILE))


def small_image(path):
    """The same shape, a dozen megabytes, without Docker: two layers with much in them, and one
    with a file."""
    with open(binary("hello"), "rb") as program:
        entries = [file("hello", program.read(), mode=0o755)]
    layers = [[*entries, *_filled("base", 0)], _filled("more", 1), [file("version", b"1\n")]]
    return os.fspath(ImageTar(layers, {"Entrypoint": ["/hello"]}, name="small:1").write(path))


def _filled(top, seed):
    entries = [directory(top), file(f"{top}/large", Filler(4 * MIB, seed))]
    for at in range(SMALL_DIRECTORIES):
        entries.append(directory(f"{top}/{at}"))
        entries += [file(f"{top}/{at}/{number}", Filler(SMALL_FILE_BYTES, seed))
                    for number in range(SMALL_FILES)]
    return entries


def describe(path):
    with tarfile.open(path) as archive:
        names = _manifest(archive)["Layers"]
        entries = 0
        for name in names:
            with tarfile.open(fileobj=archive.extractfile(name)) as layer:
                entries += len(layer.getmembers())
    return {"archive_mib": round(os.path.getsize(path) / MIB, 1), "layers": len(names),
            "entries": entries}


def write_with_other_top(source, mark, out):
    """A copy whose highest layer differs: its last file has one line more."""
    with tarfile.open(source) as archive:
        manifest = _manifest(archive)
        config = json.load(archive.extractfile(manifest["Config"]))
        top_name = manifest["Layers"][-1]
        top = _with_line(archive.extractfile(top_name).read(), f"# {mark}\n".encode())
        config["rootfs"]["diff_ids"][-1] = "sha256:" + hashlib.sha256(top).hexdigest()
        config_bytes = json.dumps(config).encode()
        config_name = hashlib.sha256(config_bytes).hexdigest() + ".json"
        changed = {
            top_name: (top_name, top),
            manifest["Config"]: (config_name, config_bytes),
            "manifest.json": ("manifest.json",
                              json.dumps([{**manifest, "Config": config_name}]).encode()),
        }
        with tarfile.open(fileobj=out, mode="w|", copybufsize=MIB) as target:
            for info in archive:
                content = archive.extractfile(info) if info.isreg() else None
                if info.name in changed:
                    info.name, replaced = changed[info.name]
                    info.size, content = len(replaced), io.BytesIO(replaced)
                target.addfile(info, content)


def _with_line(layer, line):
    out = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(layer)) as source:
        infos = source.getmembers()
        last = [info for info in infos if info.isreg()][-1]
        with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as target:
            for info in infos:
                content = source.extractfile(info).read() if info.isreg() else b""
                if info is last:
                    content += line
                    info.size = len(content)
                target.addfile(info, io.BytesIO(content))
    return out.getvalue()


def _manifest(archive):
    return json.load(archive.extractfile("manifest.json"))[0]


def packed(source, kind, path):
    """An OCI archive of the same image with gzip or zstd layers, as skopeo writes it."""
    subprocess.run(["skopeo", "--insecure-policy", "--tmpdir", os.path.dirname(path), "copy", "-q",
                    "--dest-compress-format", kind, f"docker-archive:{source}",
                    f"oci-archive:{path}:app"], check=True, stdin=subprocess.DEVNULL,
                   capture_output=True)
    return path


def plain_layers(source, target):
    """The layers of a `docker save`, from the lowest up, as files of their own."""
    with tarfile.open(source) as archive:
        return _extracted(archive, _manifest(archive)["Layers"], target)


def packed_layers(source, target):
    """The same of an OCI archive."""
    with tarfile.open(source) as archive:
        def document(name):
            return json.load(archive.extractfile(name))
        index = document("index.json")
        manifest = document(_blob(index["manifests"][0]))
        return _extracted(archive, [_blob(layer) for layer in manifest["layers"]], target)


def _blob(descriptor):
    return "blobs/" + descriptor["digest"].replace(":", "/")


def _extracted(archive, names, target):
    os.mkdir(target)
    paths = []
    for number, name in enumerate(names):
        paths.append(os.path.join(target, f"{number}.tar"))
        with open(paths[-1], "wb") as out:
            shutil.copyfileobj(archive.extractfile(name), out, MIB)
    return paths
