#!/bin/sh
# A shell handler: faas-receive has made the connection standard input and output. Reads one HTTP
# request, answers it, exits. What is written to standard error goes to the function's log.
set -eu
export LC_ALL=C # lengths are counted in bytes

carriage_return=$(printf '\r')
max_lines=100

reply() {
  printf 'HTTP/1.1 %s\r\nContent-Type: text/plain; charset=utf-8\r\n' "$1"
  printf 'Content-Length: %d\r\nConnection: close\r\n\r\n' "$((${#2} + 1))"
  [ "$method" = HEAD ] || printf '%s\n' "$2"
}

# An exit with unread bytes resets the connection, and the reply may be lost with it; so the rest of
# the request is read first, for a second at most.
refuse() {
  reply "$1" "$2"
  timeout 1 cat >/dev/null || :
  exit 0
}

# `read` takes a byte at a time, so nothing of the body is lost to a buffer.
method='' target='' rest=''
IFS=' ' read -r method target rest || exit 0 # the client left
case $rest in
  HTTP/1.[01]"$carriage_return") ;;
  *) refuse '400 Bad Request' 'The first line is no HTTP/1 request.' ;;
esac

length=0 expects='' lines=0
while IFS= read -r line; do
  line=${line%"$carriage_return"}
  [ -n "$line" ] || break
  lines=$((lines + 1))
  [ "$lines" -le "$max_lines" ] || refuse '431 Request Header Fields Too Large' 'Too many headers.'
  name=$(printf '%s' "${line%%:*}" | tr '[:upper:]' '[:lower:]')
  value=${line#*:}
  value=${value# }
  case $name in
    content-length) length=$value ;;
    expect) expects=$value ;;
    transfer-encoding) refuse '411 Length Required' 'Send a Content-Length instead of chunks.' ;;
  esac
done
case $length in
  '' | *[!0-9]* | ????????????*) refuse '400 Bad Request' 'Content-Length is no usable number.' ;;
esac
[ "$expects" != 100-continue ] || printf 'HTTP/1.1 100 Continue\r\n\r\n'
received=$(head -c "$length" | wc -c)
[ "$received" -eq "$length" ] || exit 0 # the client left

# Your own code goes here.
reply '200 OK' "Hello from a shell on $(uname -n).
$method $target
body: $received bytes"
