# Sourced by scripts of many steps, which say what they run by run COMMAND... and write below $out: a result that is there is
# not made again, unless what it depends on is another.

# of PATHS...: a checksum of these files and folders.
of() { find "$@" -type f -exec cksum {} + | sort | cksum; }

# once FILE OF COMMAND...: what the command prints, in FILE; again only if the command or OF, a checksum, is not what FILE is
# from. FILE.from says what that is.
once() {
  local file=$1 from="${*:2}"
  if [ -s "$file" ] && [ "$(cat "$file.from" 2>/dev/null)" = "$from" ]; then return; fi
  rm -f "$file"
  mkdir -p "$(dirname "$file")"
  run "${@:3}" >"$out/part.json"
  printf '%s\n' "$from" >"$file.from"
  mv "$out/part.json" "$file"
}
