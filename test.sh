#!/usr/bin/env bash
# Installs what is missing, builds, and runs every tier of tests (or those named as arguments).
# The last line is `N passed, N failed, N skipped`; the exit status is 0 only if nothing failed.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")"

if [ "$(id -u)" -ne 0 ]; then
  echo "test.sh needs root (containers, cgroups, loopback addresses): sudo ./test.sh" >&2
  exit 1
fi

# sudo and CI may come with a PATH that lacks the places of runc and the daemon's tools.
export PATH="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:$PATH"

# shellcheck source=.ci/packages.sh
. .ci/packages.sh
install_missing "${test_packages[@]}" || {
  echo "0 passed, 1 failed, 0 skipped"
  exit 1
}

exec /usr/bin/python3 tests/support/run.py "$@" </dev/null
