#!/usr/bin/env python3
"""families.py SCCA_BINARY WORKDIR: models of every family from transformers to scca and back.

For each family, in f32 and bf16, in one file and in shards: a random model is made by transformers, and `scca logits`
is held to its logits. Then the way back: `scca finetune` takes some steps with LoRA on it, and transformers loads what
`scca merge` wrote, PEFT the adapter; both are held to `scca logits` with the adapter. Prints a table; the exit code is
1 when a row is beyond its limit. Needs torch, transformers and peft (tests/golden/README.md has versions).

Limits. f32: sums in another order, 2e-5 of the largest logit. bf16: scca may err by twice what transformers' own bf16
errs by, both against f32 on the same weights.
"""

import json
import math
import os
import pathlib
import shutil
import subprocess
import sys

os.environ["CUDA_VISIBLE_DEVICES"] = ""
os.environ["HF_HUB_OFFLINE"] = "1"

import peft
import torch
import transformers
from transformers import AutoConfig, AutoModelForCausalLM

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOKENIZER = ROOT / "tests/data/stories260K/tokenizer.model"
TOKENS = 40
SIZES = dict(
    vocab_size=517,  # more than the tokenizer's 512 pieces
    hidden_size=48,
    intermediate_size=88,
    num_hidden_layers=3,
    num_attention_heads=6,
    num_key_value_heads=2,
    max_position_embeddings=128,
    bos_token_id=1,
    eos_token_id=2,
)
FAMILIES = {
    "llama": ("Llama", dict()),
    "llama, tied, head_dim 12": ("Llama", dict(tie_word_embeddings=True, head_dim=12)),
    "llama, biases": ("Llama", dict(attention_bias=True, mlp_bias=True)),
    "mistral, no window": ("Mistral", dict(sliding_window=None)),
    "mistral, window 9": ("Mistral", dict(sliding_window=9, head_dim=16)),
    "qwen2": ("Qwen2", dict(tie_word_embeddings=True)),
    "qwen2, window 9": ("Qwen2", dict(use_sliding_window=True, sliding_window=9, max_window_layers=1)),
    "qwen3": ("Qwen3", dict(head_dim=16)),
    "qwen3, tied, biases": ("Qwen3", dict(tie_word_embeddings=True, head_dim=16, attention_bias=True)),
}


def draw(model):
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for name, p in model.named_parameters():
            noise = torch.randn(p.shape, generator=generator)
            if name.endswith("norm.weight"):
                p.copy_(1 + 0.3 * noise)
            elif name.endswith(".bias") or "embed_tokens" in name:
                p.copy_(0.5 * noise)
            else:
                p.copy_(noise / math.sqrt(p.shape[1]))


def make(family, settings, dtype, shards, folder):
    config = getattr(transformers, family + "Config")(**{**SIZES, **settings})
    model = getattr(transformers, family + "ForCausalLM")(config)
    draw(model)
    model.to(dtype).save_pretrained(folder, **(dict(max_shard_size="60KB") if shards else {}))
    assert (folder / "model.safetensors.index.json").exists() == shards
    shutil.copy(TOKENIZER, folder / "tokenizer.model")


def theirs(folder, ids, dtype=torch.float32, config=None, adapter=None):
    """transformers' logits [T, V] of a folder's model."""
    extra = {} if config is None else {"config": AutoConfig.from_pretrained(config)}
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, attn_implementation="eager", **extra)
    if adapter is not None:
        model = peft.PeftModel.from_pretrained(model, adapter)
    with torch.no_grad():
        return model.eval()(input_ids=torch.tensor([ids]), use_cache=False).logits[0].double()


class Scca:
    def __init__(self, binary):
        self.binary = binary

    def run(self, *arguments):
        done = subprocess.run([self.binary, *map(str, arguments)], capture_output=True, text=True)
        if done.returncode != 0:
            raise SystemExit(f"scca {' '.join(map(str, arguments))}: exit code {done.returncode}\n{done.stderr}")
        return done.stdout

    def logits(self, folder, ids, *flags):
        out = self.run("logits", "--model", folder, "--ids", ",".join(map(str, ids)), "--all", "--json", *flags)
        return torch.tensor(json.loads(out)["logits"], dtype=torch.float64)


def difference(a, b):
    return (a - b).abs().max().item()


def row(scca, place, family, settings, dtype, shards, ids, text):
    """The figures of one row, each with its limit."""
    base, out = place / "base", place / "run"
    make(family, settings, dtype, shards, base)
    exact = theirs(base, ids)
    limit = 2e-5 * exact.abs().max().item()
    figures = {"f32 logits": (difference(scca.logits(base, ids), exact), limit)}
    if dtype == torch.bfloat16:
        own = difference(theirs(base, ids, torch.bfloat16), exact)
        ours = difference(scca.logits(base, ids, "--dtype", "bf16"), exact)
        figures["bf16 logits"] = (ours, 2 * own)

    flags = ["--context", 64, "--steps", 3, "--warmup", 0, "--lr", 0.02, "--lora-rank", 4]
    flags += ["--lora-targets", "q,k,v,o,gate,up,down", "--train", "norm", "--device", "cpu"]
    scca.run("finetune", "--model", base, "--data", text, "--out", out, *flags)
    adapted = scca.logits(base, ids, "--adapter", out / "adapter")
    if difference(adapted, exact) < 0.01:
        raise SystemExit("the adapter changes nothing")
    limit = 2e-5 * adapted.abs().max().item()
    scca.run("merge", "--dtype", "f32", "--model", base, "--adapter", out / "adapter", "--out", place / "merged")
    figures["merged"] = (difference(theirs(place / "merged", ids), adapted), limit)
    by_peft = theirs(base, ids, config=out / "adapter", adapter=out / "adapter")
    figures["by PEFT"] = (difference(by_peft, adapted), limit)
    return figures


def main(binary, workdir):
    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    torch.set_num_threads(2)
    work = pathlib.Path(workdir) / "families"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    text = work / "text.txt"
    text.write_text("Once upon a time there was a little girl who liked to read. " * 40)
    ids = torch.randint(3, SIZES["vocab_size"], (TOKENS,), generator=torch.Generator().manual_seed(7)).tolist()
    columns = ["f32 logits", "bf16 logits", "merged", "by PEFT"]
    print(f"transformers {transformers.__version__}, peft {peft.__version__}; largest difference of a logit (limit)\n")
    print("| family | weights | files | " + " | ".join(columns) + " |\n|" + "---|" * (3 + len(columns)))
    bad = 0
    for number, (name, (family, settings)) in enumerate(FAMILIES.items()):
        for dtype in (torch.float32, torch.bfloat16):
            for shards in (False, True):
                kind = "f32" if dtype == torch.float32 else "bf16"
                place = work / f"{number}_{kind}_{'shards' if shards else 'one'}"
                figures = row(Scca(binary), place, family, settings, dtype, shards, ids, text)
                cells = []
                for column in columns:
                    value, limit = figures.get(column, (0.0, 0.0))
                    wrong = not value <= limit
                    bad += wrong
                    cells.append(f"{value:.1e} ({limit:.1e}){' WRONG' if wrong else ''}" if limit else "-")
                print(f"| {name} | {kind} | {'shards' if shards else 'one'} | " + " | ".join(cells) + " |", flush=True)
                shutil.rmtree(place)
    print(f"\n{'all within their limits' if bad == 0 else f'{bad} beyond their limits'}")
    return bad != 0


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__.split("\n")[0])
    sys.exit(main(sys.argv[1], sys.argv[2]))
