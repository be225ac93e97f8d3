#!/usr/bin/env python3
"""Writes families/ beside this file: a tiny random model of each family, and what transformers computes with it.

Run by hand (README.md has the versions). As in make_goldens.py everything is computed in f32 and in f64; the f64
result is stored, and beside it how far f32 is from it. Weights are stored in bf16, which is exact for them.
"""

import json
import math
import os
import pathlib
import shutil

os.environ["CUDA_VISIBLE_DEVICES"] = ""
os.environ["HF_HUB_OFFLINE"] = "1"

import safetensors.torch
import torch
import torch.nn.functional as F
import transformers

from cases import write_json
from widened import arithmetic

HERE = pathlib.Path(__file__).resolve().parent
BATCH, TOKENS = 2, 17
SIZES = dict(
    vocab_size=67,
    hidden_size=32,
    intermediate_size=28,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    max_position_embeddings=64,
    bos_token_id=1,
    eos_token_id=2,
)

# own: the spec of the model's own attention.
FAMILIES = {
    "llama_bias": dict(family="Llama", own="full", config=dict(attention_bias=True, mlp_bias=True)),
    "mistral_window": dict(
        family="Mistral", own="window(chunk=6)", config=dict(sliding_window=6, head_dim=6, rms_norm_eps=1e-5)
    ),
    "qwen2_tied": dict(
        family="Qwen2", own="full", config=dict(tie_word_embeddings=True, sliding_window=6, max_window_layers=0)
    ),
    "qwen2_window": dict(
        family="Qwen2",
        own="full@0;window(chunk=6)",
        config=dict(use_sliding_window=True, sliding_window=6, max_window_layers=1),
    ),
    "qwen3_tied": dict(family="Qwen3", own="full", config=dict(tie_word_embeddings=True, head_dim=10)),
    "qwen3_bias": dict(
        family="Qwen3",
        own="full@1;window(chunk=5)",
        config=dict(
            head_dim=8,
            attention_bias=True,
            use_sliding_window=True,
            sliding_window=5,
            layer_types=["sliding_attention", "full_attention"],
        ),
    ),
}


def classes(family):
    return getattr(transformers, family + "Config"), getattr(transformers, family + "ForCausalLM")


def draw(model, seed):
    """Weights large enough that attention is peaked; norms and biases far from 1 and 0. All exact in bf16."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in model.named_parameters():
            noise = torch.randn(p.shape, generator=generator)
            if name.endswith("norm.weight"):
                value = 1 + 0.3 * noise
            elif name.endswith(".bias"):
                value = 0.5 * noise
            elif "embed_tokens" in name:
                value = 0.5 * noise
            else:
                gain = 1.5 if "q_proj" in name or "k_proj" in name else 1.0
                value = gain / math.sqrt(p.shape[1]) * noise
            p.copy_(value.to(torch.bfloat16))


def load(case, dtype):
    family = FAMILIES[case]["family"]
    model = classes(family)[1].from_pretrained(
        HERE / "families" / case, attn_implementation="eager", dtype=torch.float32
    )
    return model.to(dtype).train()


def write_model(case, seed):
    settings = FAMILIES[case]
    config_class, model_class = classes(settings["family"])
    config = config_class(
        rope_parameters=dict(rope_theta=500.0, rope_type="default"), **{**SIZES, **settings["config"]}
    )
    model = model_class(config)
    draw(model, seed)
    folder = HERE / "families" / case
    model.to(torch.bfloat16).save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)


def measure(case, ids, dtype):
    model = load(case, dtype)
    with arithmetic(dtype, family=FAMILIES[case]["family"]):
        logits = model(input_ids=ids, use_cache=False).logits
    loss = F.cross_entropy(logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten())
    loss.backward()
    out = {"logits": logits, "loss": loss.item()}
    for name, p in model.named_parameters():
        if p.dim() == 1 or name.endswith("0.self_attn.k_proj.weight"):  # what is new in a family
            out["grad." + name] = p.grad
    return out


def check(case, exact):
    model = load(case, torch.float32)
    names = [name for name, _ in model.named_parameters()]
    config = FAMILIES[case]["config"]
    biases = {name.split(".")[-2] for name in names if name.endswith(".bias")}
    expected = {
        "llama_bias": {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"},
        "qwen2_tied": {"q_proj", "k_proj", "v_proj"},
        "qwen2_window": {"q_proj", "k_proj", "v_proj"},
        "qwen3_bias": {"q_proj", "k_proj", "v_proj", "o_proj"},
    }
    assert biases == expected.get(case, set()), biases
    assert any("q_norm" in name for name in names) == case.startswith("qwen3")
    assert model.config.tie_word_embeddings == config.get("tie_word_embeddings", False)
    for name, value in exact.items():
        if not torch.is_tensor(value):
            continue
        # A bias of k adds the same to all scores of a query but for RoPE, so that its gradient is small.
        assert value.isfinite().all() and value.abs().max() > 1e-4, f"{case}: {name} vanishes"


def largest_difference(a, b):
    a, b = (torch.as_tensor(x, dtype=torch.float64) for x in (a, b))
    return (a - b).abs().max().item()


def main():
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    shutil.rmtree(HERE / "families", ignore_errors=True)
    for seed, case in enumerate(FAMILIES):
        write_model(case, 300 + seed)
        ids = torch.randint(SIZES["vocab_size"], (BATCH, TOKENS), generator=torch.Generator().manual_seed(400 + seed))
        plain, exact = (measure(case, ids, dtype) for dtype in (torch.float32, torch.float64))
        check(case, exact)
        error = {name: largest_difference(plain[name], exact[name]) for name in exact}
        assert max(error.values()) < 1e-4, error
        folder = HERE / "families" / case
        tensors = {n: v.detach().to(torch.float32).contiguous() for n, v in exact.items() if torch.is_tensor(v)}
        safetensors.torch.save_file(tensors, folder / "golden.safetensors")
        write_json(
            folder / "golden.json",
            {
                "made_with": {"torch": torch.__version__, "transformers": transformers.__version__},
                "own_attention": FAMILIES[case]["own"],
                "values": {"loss": exact["loss"]},
                "f32_error": error,
            },
        )
        (folder / "ids.json").write_text(json.dumps({"ids": ids.tolist(), "adamw_ids": []}) + "\n")
        size = sum(f.stat().st_size for f in folder.rglob("*"))
        print(f"{case}: {size / 1000:.0f} kB, loss {exact['loss']:.3f}, f32 errs by {error['logits']:.2g}")


if __name__ == "__main__":
    main()
