#!/bin/sh
# A compiler launcher: runs nvcc, and keeps what ptxas says of each kernel (-Xptxas=-v) beside the object it wrote, as
# OBJECT.ptxas. Everything else that the compiler says passes through.
object="" before=""
for argument; do
  [ "$before" = -o ] && object=$argument
  before=$argument
done
[ -n "$object" ] || exec "$@"
"$@" 2> "$object.ptxas"
status=$?
grep -v -e '^ptxas info ' -e '^ *[0-9]* bytes stack frame' "$object.ptxas" >&2
exit $status
