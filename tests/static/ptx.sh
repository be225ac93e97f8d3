#!/usr/bin/env bash
# What nvcc alone compiles, the asm of core/ptx.cuh, read back from the PTX: each operand of each instruction by where it came from,
# each result by where it went. The expected lines are the PTX ISA's order. Usage: ptx.sh NVCC
set -euo pipefail
nvcc=$1
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# instructions INCLUDES: the asm of ptx.cu's kernels, registers replaced by the words that they hold ("6" was read from byte 24), and
# by OUT0, OUT1, ... for what the instruction leaves in its first operand; then the words that these are written to.
instructions() {
  "$nvcc" -std=c++20 -arch=compute_80 -ptx -I"$1" tests/static/ptx.cu -o "$work/ptx"
  awk '
    function word(text) { return match(text, /\+[0-9]+\]/) ? substr(text, RSTART + 1, RLENGTH - 2) / 4 : 0 }
    function name(register) { return register in from ? from[register] : register ~ /^%/ ? "?" : register }
    { gsub(/[;,]/, " & "); gsub(/[{}]/, " & ") }
    /^\.visible \.entry/ { delete from }
    /begin inline asm/ { inside = 1; next }
    /end inline asm/ { inside = 0; next }
    inside {
      line = $1; depth = operand = 0; fresh = ""
      for (i = 2; i <= NF; i++) {
        if ($i == ";") break
        if ($i == "{") depth = 1
        if ($i == "}") depth = 0
        if ($i == "," && !depth) operand++
        if ($i !~ /^[\[%]/) { line = line " " $i; continue }
        line = line " " (operand == 0 ? "OUT" (n = split(fresh, ignored, " ")) : $i ~ /^\[/ ? "[address]" : name($i))
        if (operand == 0) fresh = fresh " " $i
      }
      print line
      n = split(fresh, outputs, " ")
      for (i = 1; i <= n; i++) from[outputs[i]] = "OUT" (i - 1)
    }
    /ld\.volatile\.global/ { from[$2] = word($0) }
    /mov\./ && !inside { if ($4 in from) from[$2] = from[$4] }
    /st\.volatile\.global/ { print "  word " word($2) " = " name($4) }' "$work/ptx"
}

instructions . > "$work/found"
cat > "$work/expected" << 'END'
mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 { OUT0 , OUT1 , OUT2 , OUT3 } , { 0 , 1 , 2 , 3 } , { 4 , 5 } , { 6 , 7 , 8 , 9 }
  word 16 = OUT0
  word 17 = OUT1
  word 18 = OUT2
  word 19 = OUT3
ldmatrix.sync.aligned.m8n8.x4.shared.b16 { OUT0 , OUT1 , OUT2 , OUT3 } , [address]
  word 0 = OUT0
  word 1 = OUT1
  word 2 = OUT2
  word 3 = OUT3
ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 { OUT0 , OUT1 , OUT2 , OUT3 } , [address]
  word 0 = OUT0
  word 1 = OUT1
  word 2 = OUT2
  word 3 = OUT3
ex2.approx.ftz.f32 OUT0 , 0
  word 1 = OUT0
END
diff "$work/expected" "$work/found" || {
  echo "core/ptx.cuh: the asm's operands (>) are not in the order of the PTX ISA (<)"
  exit 1
}

# The fault that this looks for, seen once: two registers of `a` in each other's place.
mkdir "$work/core"
sed 's/"r"(a\[1\]), "r"(a\[2\])/"r"(a[2]), "r"(a[1])/' core/ptx.cuh > "$work/core/ptx.cuh"
if cmp -s core/ptx.cuh "$work/core/ptx.cuh"; then
  echo "core/ptx.cuh no longer has the operands that this test exchanges"
  exit 1
fi
instructions "$work" > "$work/found"
if cmp -s "$work/expected" "$work/found"; then
  echo "operands in another order go unnoticed"
  exit 1
fi
echo "mma.sync, ldmatrix and ex2: operands and results in the order of the PTX ISA"
