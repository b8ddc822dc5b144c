#!/bin/sh
# Packs a directory into an image archive as `docker save` writes it, without Docker.
# Deterministic: the same directory gives the same bytes. Needs GNU tar and sha256sum.
set -eu

usage() {
  echo "usage: pack-image.sh [-a ARCHITECTURE] NAME[:TAG] DIRECTORY OUTPUT PROGRAM [ARGUMENT]" >&2
  echo "PROGRAM [ARGUMENT...] becomes the image's entrypoint, as seen inside DIRECTORY." >&2
  exit 2
}

fail() {
  echo "pack-image.sh: $1" >&2
  exit 1
}

# The name that images use for this machine.
machine_architecture() {
  case $(uname -m) in
    x86_64) echo amd64 ;;
    aarch64) echo arm64 ;;
    armv7l) echo arm ;;
    i?86) echo 386 ;;
    *) uname -m ;;
  esac
}

# A JSON string. What would need more than plain quoting has no place in a command line here.
quote() {
  case $1 in
    *[\"\\]* | *[[:cntrl:]]*) fail "'$1' contains a quote, a backslash or a control character" ;;
  esac
  printf '"%s"' "$1"
}

# Owner, time, order and mode are fixed, so that only names and contents decide the bytes.
pack() {
  tar --create --format=ustar --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0 \
    --mode='u=rwX,go=rX' "$@"
}

digest() {
  sha256sum "$1" | cut -d ' ' -f 1
}

architecture=$(machine_architecture)
while getopts a: option; do
  case $option in
    a) architecture=$OPTARG ;;
    *) usage ;;
  esac
done
shift $((OPTIND - 1))
[ $# -ge 4 ] || usage
name=$1 directory=$2 output=$3
shift 3
[ -d "$directory" ] || fail "$directory is no directory"
case $1 in
  /*) [ -x "$directory$1" ] || fail "$directory$1 is not there or not executable" ;;
esac

entrypoint=
for word in "$@"; do
  entrypoint=$entrypoint${entrypoint:+,}$(quote "$word")
done
case ${name##*/} in
  *:*) repository=${name%:*} tag=${name##*:} ;;
  *) repository=$name tag=latest ;;
esac
# Asked for before they are used: a failing $(…) inside an argument would go unnoticed.
quoted_repository=$(quote "$repository")
quoted_tag=$(quote "$tag")
quoted_reference=$(quote "$repository:$tag")
quoted_architecture=$(quote "$architecture")

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

pack --file "$work/layer.tar" --directory "$directory" .
layer=$(digest "$work/layer.tar")
created=1970-01-01T00:00:00Z
image=$work/image
mkdir -p "$image/$layer"
mv "$work/layer.tar" "$image/$layer/layer.tar"
printf '1.0' >"$image/$layer/VERSION"
printf '{"id":"%s","created":"%s","os":"linux","architecture":%s}' \
  "$layer" "$created" "$quoted_architecture" >"$image/$layer/json"
printf '{"architecture":%s,"os":"linux","created":"%s","config":{"Entrypoint":[%s]},%s%s}' \
  "$quoted_architecture" "$created" "$entrypoint" \
  '"rootfs":{"type":"layers","diff_ids":["sha256:'"$layer"'"]},' \
  '"history":[{"created":"'"$created"'","created_by":"pack-image.sh"}]' >"$work/config.json"
config=$(digest "$work/config.json")
mv "$work/config.json" "$image/$config.json"
printf '[{"Config":"%s.json","RepoTags":[%s],"Layers":["%s/layer.tar"]}]\n' \
  "$config" "$quoted_reference" "$layer" >"$image/manifest.json"
printf '{%s:{%s:"%s"}}\n' "$quoted_repository" "$quoted_tag" "$layer" >"$image/repositories"

# Written beside the target and renamed: an interrupted build leaves no half archive behind.
pack --file "$output.part" --directory "$image" --transform='s,^\./,,' \
  "./$layer" "./$config.json" ./manifest.json ./repositories ||
  { rm -f "$output.part"; exit 1; }
mv "$output.part" "$output"
