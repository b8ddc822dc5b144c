#!/usr/bin/env bash
# From nothing to a function that answers: installs what is missing, builds, starts faasd in the
# background, deploys handlers/hello and calls it. Run it again after a change: the faasd that it
# started before is replaced by the new build, and functions keep their addresses.
#
#   sudo ./run.sh [--with LANGUAGE,…] [FLAG OF FAASD…]
#   sudo ./run.sh stop
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")"

bin=$PWD/build/release/bin
pid_file=$PWD/build/faasd.pid
log=/var/log/faasd.log

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
[ -t 1 ] || say() { printf '\n%s\n' "$*"; }
die() {
  echo "run.sh: $*" >&2
  exit 1
}

# The process that an earlier run started; empty if it is gone. A rebuilt program is "(deleted)".
running_pid() {
  local pid program
  pid=$(cat "$pid_file" 2>/dev/null) || return 0
  program=$(readlink "/proc/$pid/exe" 2>/dev/null) || return 0
  [ "${program% (deleted)}" = "$bin/faasd" ] && echo "$pid" || true
}

stop_running() {
  local pid
  pid=$(running_pid)
  if [ -n "$pid" ]; then
    echo "stopping faasd (process $pid); running invocations may finish"
    kill "$pid"
    tail --pid="$pid" -f /dev/null
  fi
  rm -f "$pid_file"
}

has_flag() {
  local wanted=$1 flag
  shift
  for flag in "$@"; do
    [[ $flag != "$wanted" && $flag != "$wanted="* ]] || return 0
  done
  return 1
}

port_8080_is_taken() { (exec 3<>/dev/tcp/127.0.0.1/8080) 2>/dev/null; }

# Starts faasd with the given flags and returns when it has said that it is ready.
start() {
  local from line='' follower pid
  touch "$log"
  chmod 0640 "$log"
  from=$(($(stat -c %s "$log") + 1))
  setsid "$bin/faasd" "$@" </dev/null >>"$log" 2>&1 &
  pid=$!
  echo "$pid" >"$pid_file"
  exec 3< <(exec tail --pid="$pid" -c "+$from" -f "$log" 2>/dev/null)
  follower=$!
  while read -r line <&3; do
    case $line in
      *' ready' | *' ready '* | *'"event":"ready"'*) break ;;
    esac
    line=
  done
  kill "$follower" 2>/dev/null || true
  exec 3<&-
  if [ -z "$line" ]; then
    rm -f "$pid_file"
    tail -c "+$from" "$log" >&2
    die "faasd did not start; the lines above say why"
  fi
  echo "$line"
}

# The image as Docker makes it, where an engine answers and can build; else the one of the build.
deploy_hello() {
  local build_log
  if timeout 10 docker version >/dev/null 2>&1; then
    build_log=$(mktemp)
    echo "docker build -t hello -f handlers/hello/Dockerfile handlers"
    if docker build --network host -t hello -f handlers/hello/Dockerfile handlers \
      >"$build_log" 2>&1; then
      rm -f "$build_log"
      echo "docker save hello | faas new hello"
      docker save hello | "$bin/faas" "$@" new hello
      return
    fi
    tail -n 5 "$build_log" >&2
    rm -f "$build_log"
    echo "docker could not build it (see above), so the image of the build is used:"
  fi
  echo "faas new hello -f build/release/hello.tar"
  "$bin/faas" "$@" new hello -f build/release/hello.tar
}

# What is installed stays as it is: an image that is made anew takes up to a minute.
install_language() {
  local language=$1 installed
  shift
  say "faas runtime install $language"
  installed=$("$bin/faas" "$@" runtime list)
  if grep -q "^$language " <<<"$installed"; then
    echo "$language is there already"
  else
    "$bin/faas" "$@" runtime install "$language"
  fi
  grep -q '"scripts"' "handlers/$language/language.json" || return 0
  echo "echo 'return 6 * 7' | faas run -l $language -"
  echo 'return 6 * 7' | "$bin/faas" "$@" run -l "$language" -
}

usage() {
  cat <<END
sudo ./run.sh [FLAG…]           build, start faasd with these flags of it (man faasd), deploy an
                                example
sudo ./run.sh --with LANG,…     the same, and install languages that scripts can be written in:
                                python, javascript, typescript; FLAGs may follow
sudo ./run.sh stop              stop the faasd that was started before
END
}

# --with is for this script, all else for faasd.
languages=()
flags=()
while [ $# -gt 0 ]; do
  case $1 in
    --with=*) IFS=, read -r -a languages <<<"${1#*=}" ;;
    --with)
      [ $# -gt 1 ] || die "--with is followed by languages: --with python,javascript"
      IFS=, read -r -a languages <<<"$2" && shift
      ;;
    *) flags+=("$1") ;;
  esac
  shift
done
set -- "${flags[@]}"

# Before anything is installed or stopped.
case ${1:-} in
  -h | --help) usage && exit 0 ;;
  '' | stop | --?*) ;;
  *) usage >&2 && die "there is no '$1'" ;;
esac
for language in "${languages[@]}"; do
  [ -e "handlers/$language/language.json" ] || die "there is no language '$language' in handlers/"
done

[ "$(id -u)" -eq 0 ] || die "needs root (containers, cgroups, loopback addresses): sudo ./run.sh"
export PATH="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:$PATH"

if [ "${1:-}" = stop ]; then
  stop_running
  exit 0
fi

# shellcheck source=.ci/packages.sh
. .ci/packages.sh
install_missing "${build_packages[@]}"
[ ${#languages[@]} -eq 0 ] || install_missing "${image_packages[@]}"

say "Building"
cmake --preset release >/dev/null
cmake --build --preset release --target faasd faas faas-receive hello_image

say "Starting faasd"
stop_running
if ! has_flag --listen "$@" && port_8080_is_taken; then
  echo "port 8080 of 127.0.0.1 is taken by another program: starting without the API over TCP;"
  echo "choose a port with: sudo ./run.sh --listen 127.0.0.1:8081"
  flags+=(--listen '')
fi
start "${flags[@]}"

# A socket elsewhere is told to faas as well.
faas_flags=()
for ((i = 1; i <= $#; i++)); do
  case ${!i} in
    --socket=*) faas_flags=(--socket "${!i#--socket=}") ;;
    --socket) next=$((i + 1)) && faas_flags=(--socket "${!next}") ;;
  esac
done

say "Deploying an example"
deploy_hello "${faas_flags[@]}"
address=$("$bin/faas" "${faas_flags[@]}" ip hello)

say "curl http://$address/"
curl -fsS --max-time 60 "http://$address/"

for language in "${languages[@]}"; do install_language "$language" "${faas_flags[@]}"; done

cat <<END

It runs. Every request above had a container of its own, and it is gone again. Try:

  export PATH=$bin:\$PATH
  curl http://\$(faas ip hello)/
  faas list
  faas describe hello
  docker save IMAGE | sudo $bin/faas new NAME    any image with a handler, see handlers/README.md
  faas rm hello
  faas runtime install python                    then scripts: faas run FILE.py
  faas doctor                                    what this host lacks

  log:     tail -f $log
  stop:    sudo ./run.sh stop
  remove:  sudo ./run.sh stop && sudo rm -rf /var/lib/faasd $log
END
