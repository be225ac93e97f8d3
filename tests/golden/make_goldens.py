#!/usr/bin/env python3
"""Writes the golden data beside this file: tiny random LLaMA models and what transformers and PEFT
compute with them.

Run by hand (README.md has the versions); the build and the tests need no Python. Every quantity is
computed twice: by transformers as it is, in f32, and in f64 with the four places that transformers pins to
f32 (RMSNorm, RoPE, softmax, loss) widened. Stored is the f64 result, rounded to f32 where it is a tensor,
and, under "f32_error", the largest difference between the two: the distance from the truth that plain f32
arithmetic is entitled to.
"""

import json
import os
import pathlib
import shutil
import sys
import tempfile

os.environ["CUDA_VISIBLE_DEVICES"] = ""
os.environ["HF_HUB_OFFLINE"] = "1"

import numpy
import peft
import safetensors
import safetensors.torch
import torch
import torch.nn.functional as F
import transformers

from cases import CASES, load, load_adapted, peft_key, write_adapter, write_json, write_model
from patterns import BATCH, EMPTY_ROWS, PATTERNS, TOKENS, additive, visible_mask
from widened import arithmetic

HERE = pathlib.Path(__file__).resolve().parent
STEPS = 10
ADAMW = {"lr": 1e-2, "betas": [0.9, 0.95], "eps": 1e-8, "weight_decay": 0.0}


def run(model, ids, mask=None):
    """Logits [B, T, V] and the mean loss of predicting every next token."""
    dtype = next(model.parameters()).dtype
    extra = {} if mask is None else {"attention_mask": additive(mask, dtype)}
    with arithmetic(dtype, sparse=mask is not None):
        logits = model(input_ids=ids, use_cache=False, **extra).logits
    return logits, F.cross_entropy(logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten())


def gradients(model, loss):
    model.zero_grad()
    loss.backward()
    return {name: p.grad.detach().clone() for name, p in model.named_parameters() if p.requires_grad}


def measure(case, folder, ids, adamw_ids, dtype):
    """Everything that is stored, by name; tensors, floats or lists of floats."""
    out = {}
    model = load(folder, dtype)
    logits, loss = run(model, ids)
    out["logits"], out["loss"] = logits, loss.item()
    for name, grad in gradients(model, loss).items():
        out["grad." + name] = grad

    logits, loss = run(load(folder, dtype, "config_linear4.json"), ids)
    out["linear4.logits"], out["linear4.loss"] = logits, loss.item()

    if CASES[case].get("sparse"):
        last = model.config.num_hidden_layers - 1
        kept = [
            "model.embed_tokens.weight",
            "model.layers.0.self_attn.q_proj.weight",
            f"model.layers.{last}.mlp.down_proj.weight",
        ]
        for pattern, (_, sees) in PATTERNS.items():
            logits, loss = run(model, ids, visible_mask(sees, model.config.num_attention_heads))
            out[f"sparse.{pattern}.logits"], out[f"sparse.{pattern}.loss"] = logits[1], loss.item()
            grads = gradients(model, loss)
            for name in kept:
                out[f"sparse.{pattern}.grad.{name}"] = grads[name]

    model = load_adapted(folder, dtype)
    logits, loss = run(model, ids)
    out["lora.logits"], out["lora.loss"] = logits, loss.item()
    for name, grad in gradients(model, loss).items():
        out["lora.grad." + peft_key(name)] = grad

    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(
        trained, lr=ADAMW["lr"], betas=ADAMW["betas"], eps=ADAMW["eps"], weight_decay=ADAMW["weight_decay"]
    )
    out["adamw.losses"], out["adamw.grad_norms"] = [], []
    for batch in adamw_ids:
        _, loss = run(model, batch)
        optimizer.zero_grad()
        loss.backward()
        out["adamw.losses"].append(loss.item())
        out["adamw.grad_norms"].append(torch.nn.utils.clip_grad_norm_(trained, CASES[case]["clip"]).item())
        optimizer.step()
    return out


def check(case, folder, ids, exact):
    """What must hold whatever the numbers are; a golden that fails here is wrong."""
    model = load(folder, torch.float32)
    heads = model.config.num_attention_heads
    logits, loss = run(model, ids)
    theirs = model(input_ids=ids, labels=ids, use_cache=False).loss
    assert (loss - theirs).abs() < 1e-6, "the loss is not transformers'"
    full = run(model, ids, visible_mask(lambda *_: True, heads))[0]
    assert (full - logits).abs().max() < 1e-5, "'full' is not the default"
    assert (logits - exact["linear4.logits"]).abs().max() > 0.1, "interpolation changes nothing"
    assert model.config.rope_parameters["rope_theta"] == CASES[case]["config"]["rope_theta"]
    clip = CASES[case]["clip"]
    norms = exact["adamw.grad_norms"]
    assert max(norms) > clip and (clip == 1 or min(norms) < clip), "clip some steps, and not all unless at 1"
    for name, value in exact.items():
        if torch.is_tensor(value):
            assert value.isfinite().all() and value.abs().max() > 1e-3, f"{name} is not finite or vanishes"

    ends = ids.clone()
    ends[:, -1] = (ends[:, -1] + 1) % model.config.vocab_size
    for pattern, (_, sees) in PATTERNS.items():
        mask = visible_mask(sees, heads)
        before, after = run(model, ids, mask)[0], run(model, ends, mask)[0]
        assert torch.equal(before[:, :-1], after[:, :-1]), f"{pattern} sees the future"
        assert (before - logits).abs().max() > 0.1, f"{pattern} changes nothing"
        assert (~mask.any(-1)).any() == (pattern in EMPTY_ROWS), f"{pattern}: rows without a key"

    adapted = load_adapted(folder, torch.float32)
    named = dict(adapted.named_parameters(remove_duplicate=False))
    stored = safetensors.torch.load_file(folder / "adapter" / "adapter_model.safetensors")
    assert {peft_key(n) for n, p in named.items() if p.requires_grad} == set(stored)
    lora = run(adapted, ids)[0]
    assert (lora - logits).abs().max() > 0.1, "the adapter changes nothing"
    if model.config.tie_word_embeddings:
        embed, head = "base_model.model.model.embed_tokens.weight", "base_model.model.lm_head.weight"
        assert torch.equal(stored[embed], stored[head])
        assert (
            adapted.get_input_embeddings().weight is adapted.get_output_embeddings().weight
        ), "PEFT untied them"
    assert (
        adapted.merge_and_unload()(input_ids=ids).logits - lora
    ).abs().max() < 1e-4, "merging changes the logits"


def largest_difference(a, b):
    a, b = (torch.as_tensor(x, dtype=torch.float64) for x in (a, b))
    return (a - b).abs().max().item()


def make(case, folder):
    write_model(case, folder)
    write_adapter(case, folder)
    generator = torch.Generator().manual_seed(200 + CASES[case]["seed"])
    vocab = CASES[case]["config"]["vocab_size"]
    ids = torch.randint(vocab, (BATCH, TOKENS), generator=generator)
    adamw_ids = torch.randint(vocab, (STEPS, BATCH, TOKENS), generator=generator)

    plain = measure(case, folder, ids, adamw_ids, torch.float32)
    exact = measure(case, folder, ids, adamw_ids, torch.float64)
    assert plain.keys() == exact.keys()
    check(case, folder, ids, exact)
    error = {name: largest_difference(plain[name], exact[name]) for name in exact}
    for name, value in error.items():
        size = max(1.0, torch.as_tensor(exact[name]).abs().max().item())
        assert (
            value < (1e-2 if name.startswith("adamw") else 1e-4) * size
        ), f"{name}: f32 and f64 differ by {value}"

    tensors = {
        name: v.detach().to(torch.float32).contiguous() for name, v in exact.items() if torch.is_tensor(v)
    }
    safetensors.torch.save_file(tensors, folder / "golden.safetensors")
    write_json(
        folder / "golden.json",
        {
            "made_with": {
                "python": sys.version.split()[0],
                "torch": torch.__version__,
                "numpy": numpy.__version__,
                "transformers": transformers.__version__,
                "peft": peft.__version__,
                "safetensors": safetensors.__version__,
            },
            "values": {name: v for name, v in exact.items() if not torch.is_tensor(v)},
            "f32_error": error,
            "specs": {p: spec for p, (spec, _) in PATTERNS.items()} if CASES[case].get("sparse") else {},
            "adamw": {**ADAMW, "clip": CASES[case]["clip"]},
        },
    )
    (folder / "ids.json").write_text(
        json.dumps({"ids": ids.tolist(), "adamw_ids": adamw_ids.tolist()}) + "\n"
    )


def main():
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    for case in CASES:
        with tempfile.TemporaryDirectory() as scratch:  # nothing half-written where the tests read
            folder = pathlib.Path(scratch)
            make(case, folder)
            shutil.rmtree(HERE / case, ignore_errors=True)
            shutil.copytree(folder, HERE / case)
        size = sum(f.stat().st_size for f in (HERE / case).rglob("*") if f.is_file())
        print(f"{case}: {size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
