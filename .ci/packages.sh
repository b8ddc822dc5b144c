# Debian packages of this project, in one place; sourced by run.sh and test.sh. The names are right
# on Debian 12 and on Ubuntu 24.04.

# What builds and runs faasd.
build_packages=(
  build-essential ccache cmake curl doctest-dev libarchive-dev libcli11-dev libcpp-httplib-dev
  libhiredis-dev libseccomp-dev libspdlog-dev libsqlite3-dev libssl-dev ninja-build
  nlohmann-json3-dev pkg-config python3 python3-yaml runc zlib1g-dev
)

# What makes the images of languages where there is no Docker. Ubuntu has no keys of Debian, which
# the images are made of.
image_packages=(mmdebstrap debian-archive-keyring)

# What the tests need beyond that. The clang tools carry their version because another one formats
# and warns differently; libFuzzer comes with clang. docker.io makes images, too; podman, skopeo and
# umoci write them their way, and read them as we should. qemu boots another machine, whose disks
# mmdebstrap and e2fsprogs make. Of redis-server the tests start their own; the service that the
# package may start stays untouched.
test_packages=(
  "${build_packages[@]}" "${image_packages[@]}"
  busybox-static ca-certificates clang-14 clang-format-14 clang-tidy-14 docker.io e2fsprogs fish
  libclang-rt-14-dev podman qemu-system-x86 redis-server skopeo umoci zstd
)

# install_missing PACKAGE…: asks apt only for what is not there; a second run needs no network.
install_missing() {
  local missing=() package
  for package in "$@"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] ||
      missing+=("$package")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  command -v apt-get >/dev/null || {
    echo "apt-get is not here: install these yourself: ${missing[*]}" >&2
    return 1
  }
  echo "installing: ${missing[*]}"
  local log
  log=$(mktemp)
  if ! { apt-get update -q &&
    DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends \
      -o Dpkg::Options::=--force-confold -o DPkg::Lock::Timeout=300 "${missing[@]}"; } \
    </dev/null >"$log" 2>&1; then
    cat "$log" >&2
    rm -f "$log"
    echo "apt-get could not install: ${missing[*]}" >&2
    return 1
  fi
  rm -f "$log"
}
