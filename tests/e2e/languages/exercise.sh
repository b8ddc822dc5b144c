# What scripts in busybox usually ask of the kernel. One line a check on stdout: its name, `ok` or
# its status.
PATH=/nowhere # applets only, of which busybox needs no file

check() {
  name=$1
  shift
  if "$@" >/tmp/said 2>&1; then
    echo "$name ok"
  else
    echo "$name status $?: $(cat /tmp/said)"
  fi
}

processes() {
  (exit 3)
  [ $? = 3 ] || return 1
  for n in 1 2 3; do (echo "$n") & done
  wait
  [ "$(seq 5 | xargs -n 1 -P 3 echo | sort | tr -d '\n')" = 12345 ]
}

pipes() {
  mkfifo /tmp/fifo
  echo through >/tmp/fifo &
  [ "$(cat /tmp/fifo)" = through ] && wait
}

signals() {
  trap 'caught=1' USR1
  kill -USR1 $$
  [ "$caught" = 1 ] && timeout 30 true
}

files() {
  mkdir /tmp/d && cd /tmp/d || return 1
  dd if=/dev/zero of=a bs=1k count=100 || return 1
  cp a b && ln -s a c && ln a d && mv b e && chmod 600 e && touch e || return 1
  tar cf all a c d e && gzip all && gunzip all.gz && mkdir out || return 1
  tar xf all -C out && cmp a out/e && [ "$(find . -type f | wc -l)" = 7 ] && rm -r /tmp/d
}

words() {
  [ "$(echo 'b a' | awk '{ print $2 }' | sed s/a/z/ | md5sum | wc -c)" -gt 32 ] && date && ps && df
}

no_name_service() {
  ! nslookup nobody.invalid
}

printf 'HTTP/1.0 200 OK\r\n\r\n'
for name in processes pipes signals files words no_name_service; do
  check "$name" "$name"
done
