"""OCI image layouts as buildah, podman, skopeo and engines from 25 on write them: `oci-layout`,
`index.json`, `blobs/sha256/…`, as one tar or as a directory. Made from the descriptions of
image_tar.py, in memory. Source: OCI image-spec, image-layout.md.

    OciLayout({"app:1": image}).build()                      one tag
    OciLayout({"app:1": [on_amd64, on_arm64]}).build()        one tag, an index of two platforms
    OciLayout({"app:1": image}, hybrid=True).build()          what `docker save` of engine 25 writes
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
from pathlib import Path
from typing import Any

from image_tar import Compression, ImageTar, Layer, archive_of

OCI = "application/vnd.oci.image"
MANIFEST = f"{OCI}.manifest.v1+json"
INDEX = f"{OCI}.index.v1+json"
# xz and bzip2 have no media type of their own: their blobs say "tar", and readers look.
LAYER = {
    Compression.GZIP: f"{OCI}.layer.v1.tar+gzip",
    Compression.ZSTD: f"{OCI}.layer.v1.tar+zstd",
}
REF_NAME = "org.opencontainers.image.ref.name"
CONTAINERD_NAME = "io.containerd.image.name"


@dataclasses.dataclass
class OciLayout:
    """Tags, each of one image or of a list of them for several platforms; the tag None is an image
    without a name."""

    tags: dict[str | None, ImageTar | list[ImageTar]]
    compression: Compression = Compression.GZIP
    hybrid: bool = False  # manifest.json beside index.json, the config's and layers' names in it
    attestations: bool = False  # a manifest of platform unknown/unknown beside each image's
    depth: int = 0  # indexes between index.json and what a tag names

    def members(self) -> list[tuple[str, bytes]]:
        """(name, content) of every file, blobs first, as `docker save` orders them."""
        blobs: dict[str, bytes] = {}
        manifests, docker = [], []
        for tag, images in self.tags.items():
            chosen = images if isinstance(images, list) else [images]
            found = [self._add_image(blobs, image, tag, docker) for image in chosen]
            if isinstance(images, list) or self.attestations:
                if self.attestations:
                    found += [_attestation(blobs, each) for each in found]
                found = [_add_index(blobs, found)]
            for _ in range(self.depth):
                found = [_add_index(blobs, found)]
            manifests.append({**found[0], **_annotations(tag)})
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests}
        files = [(f"blobs/sha256/{hex_digest}", data) for hex_digest, data in blobs.items()]
        files.append(("index.json", json_bytes(index)))
        if self.hybrid:
            files.append(("manifest.json", json_bytes(docker)))
        return [*files, ("oci-layout", json_bytes({"imageLayoutVersion": "1.0.0"}))]

    def build(self) -> bytes:
        """The layout as one tar."""
        return archive_of([("blobs/", None), ("blobs/sha256/", None), *self.members()])

    def write(self, path: str | os.PathLike[str]) -> Path:
        Path(path).write_bytes(self.build())
        return Path(path)

    def write_directory(self, path: str | os.PathLike[str]) -> Path:
        for name, content in self.members():
            target = Path(path, name)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        return Path(path)

    def manifest_digest(self, image: ImageTar) -> str:
        """`sha256:…` of the image's manifest, which is what `--digest` can pin."""
        return self._add_image({}, image, None, [])["digest"]

    def _add_image(
        self, blobs: dict[str, bytes], image: ImageTar, tag: str | None, docker: list[Any]
    ) -> dict[str, Any]:
        media_type = LAYER.get(self.compression, f"{OCI}.layer.v1.tar")
        diff_ids, layers = [], []
        with contextlib.ExitStack() as stack:
            for content in image.layers:
                layer = stack.enter_context(Layer(content))
                with layer.open(flipped=False) as stream:
                    packed = self.compression.pack(stream.read())
                diff_ids.append(layer.digest)
                layers.append(_add_blob(blobs, packed, media_type))
        config = _add_blob(blobs, image.config_bytes(diff_ids), f"{OCI}.config.v1+json")
        docker.append({"Config": _path_of(config), "RepoTags": [tag] if tag else None,
                       "Layers": [_path_of(layer) for layer in layers]})
        manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers}
        platform = {"architecture": image.architecture, "os": image.os}
        return {**_add_blob(blobs, json_bytes(manifest), MANIFEST), "platform": platform}


def json_bytes(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _add_blob(blobs: dict[str, bytes], data: bytes, media_type: str) -> dict[str, Any]:
    digest = hashlib.sha256(data).hexdigest()
    blobs[digest] = data
    return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(data)}


def _add_index(blobs: dict[str, bytes], manifests: list[dict[str, Any]]) -> dict[str, Any]:
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests}
    return _add_blob(blobs, json_bytes(index), INDEX)


def _attestation(blobs: dict[str, bytes], subject: dict[str, Any]) -> dict[str, Any]:
    """What BuildKit puts beside an image: a manifest that is none of a root filesystem."""
    statement = _add_blob(blobs, b'{"_type":"https://in-toto.io/Statement/v0.1"}',
                          "application/vnd.in-toto+json")
    config = _add_blob(blobs, json_bytes({"architecture": "unknown", "os": "unknown", "config": {},
                                          "rootfs": {"type": "layers", "diff_ids": [
                                              statement["digest"]]}}),
                       f"{OCI}.config.v1+json")
    manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [statement]}
    return {**_add_blob(blobs, json_bytes(manifest), MANIFEST),
            "platform": {"architecture": "unknown", "os": "unknown"},
            "annotations": {"vnd.docker.reference.type": "attestation-manifest",
                            "vnd.docker.reference.digest": subject["digest"]}}


def _annotations(tag: str | None) -> dict[str, Any]:
    """As containerd does: the full name in one, the tag alone in the other."""
    if tag is None:
        return {}
    return {"annotations": {CONTAINERD_NAME: f"docker.io/library/{tag}",
                            REF_NAME: tag.rpartition(":")[2]}}


def _path_of(descriptor: dict[str, Any]) -> str:
    return "blobs/" + descriptor["digest"].replace(":", "/")
