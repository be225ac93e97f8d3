#!/usr/bin/env python3
"""Writes attention_weights.json beside this file: the weights of every head of two tiny models, as transformers has them.

Run by hand (README.md has the versions). In f64, where softmax, norms and RoPE are widened (widened.py); a check
against f32 guards the widening. Of the first tokens of a case's ids: "weights" is [layer][head][query][key], 0 where
the query does not see the key.
"""

import json
import os
import pathlib

os.environ["CUDA_VISIBLE_DEVICES"] = ""
os.environ["HF_HUB_OFFLINE"] = "1"

import torch
import transformers

from widened import arithmetic

HERE = pathlib.Path(__file__).resolve().parent
TOKENS = 11  # more than the window of 5
CASES = {"gqa_tied": "Llama", "families/qwen3_bias": "Qwen3"}


def weights(case, family, ids, dtype):
    model_class = getattr(transformers, family + "ForCausalLM")
    model = model_class.from_pretrained(HERE / case, attn_implementation="eager", dtype=torch.float32)
    with torch.no_grad(), arithmetic(dtype, family=family):
        found = model.to(dtype)(input_ids=ids, use_cache=False, output_attentions=True).attentions
    return torch.stack(found)[:, 0].double()


def main():
    torch.set_num_threads(1)
    golden = {}
    for case, family in CASES.items():
        ids = torch.tensor(json.loads((HERE / case / "ids.json").read_text())["ids"])[:1, :TOKENS]
        exact, single = (weights(case, family, ids, dtype) for dtype in (torch.float64, torch.float32))
        assert (exact - single).abs().max() < 1e-5, case
        assert (exact.sum(-1) - 1).abs().max() < 1e-12, case
        golden[case] = {"ids": ids[0].tolist(), "weights": exact.tolist()}
    (HERE / "attention_weights.json").write_text(json.dumps(golden) + "\n")


if __name__ == "__main__":
    main()
