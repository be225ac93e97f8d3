#!/usr/bin/env python3
"""Writes rope.json: the inverse frequencies and cos/sin factors that transformers derives from RoPE settings.

Run by hand, like make_goldens.py. Every entry holds the settings as they stand in a config.json, in the newer
form (rope_parameters) and in the older one (rope_theta and rope_scaling at the top); both must lead to the
same numbers. transformers computes them in f32.
"""

import copy
import json
import os
import pathlib

os.environ["CUDA_VISIBLE_DEVICES"] = ""

import transformers
from transformers import LlamaConfig
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

HEADS = 4


def long_lists(head_dim):
    half = head_dim // 2
    return {
        "short_factor": [1 + 0.01 * i for i in range(half)],
        "long_factor": [1 + 0.5 * i for i in range(half)],
    }


def entries():
    """name, head_dim, rope_theta, max_position_embeddings, tokens in the sequence, scaling"""
    yield "default", 10, 10000.0, 64, 64, {"rope_type": "default"}
    for head_dim, factor in ((6, 2.0), (64, 4.0), (128, 8.0)):
        yield "linear", head_dim, 10000.0, 2048, 2048, {"rope_type": "linear", "factor": factor}
        for tokens in (1000, 2048, 2049, 8192):  # up to max_position_embeddings nothing may change
            yield "dynamic", head_dim, 10000.0, 2048, tokens, {"rope_type": "dynamic", "factor": factor}
        yield "yarn", head_dim, 10000.0, int(4096 * factor), 4096, {
            "rope_type": "yarn",
            "factor": factor,
            "original_max_position_embeddings": 4096,
        }
    yield "yarn, own betas and attention_factor", 64, 1e6, 131072, 4096, {
        "rope_type": "yarn",
        "factor": 4.0,
        "original_max_position_embeddings": 32768,
        "beta_fast": 24.0,
        "beta_slow": 2.0,
        "attention_factor": 1.25,
    }
    yield "yarn, mscale", 64, 10000.0, 163840, 4096, {
        "rope_type": "yarn",
        "factor": 40.0,
        "original_max_position_embeddings": 4096,
        "mscale": 0.707,
        "mscale_all_dim": 1.0,
    }
    yield "yarn, bounds that coincide", 4, 1e6, 24, 6, {
        "rope_type": "yarn",
        "factor": 4.0,
        "original_max_position_embeddings": 6,
    }
    for head_dim, factor, original in ((64, 32.0, 8192), (128, 8.0, 8192), (10, 4.0, 64)):
        yield "llama3", head_dim, 500000.0, 131072, 4096, {
            "rope_type": "llama3",
            "factor": factor,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": original,
        }
    for tokens in (4096, 4097):  # the short list, then the long one
        yield "longrope", 16, 10000.0, 131072, tokens, {
            "rope_type": "longrope",
            "factor": 32.0,
            "original_max_position_embeddings": 4096,
            **long_lists(16),
        }
    yield "longrope, own attention_factor", 16, 10000.0, 131072, 8192, {
        "rope_type": "longrope",
        "factor": 32.0,
        "original_max_position_embeddings": 4096,
        "attention_factor": 1.19,
        **long_lists(16),
    }


def frequencies(settings, tokens):
    config = LlamaConfig(**copy.deepcopy(settings))  # it rewrites the dictionaries it is given
    rope_type = config.rope_parameters["rope_type"]
    if rope_type == "default":
        inverse, factor = LlamaRotaryEmbedding.compute_default_rope_parameters(config)
    else:
        inverse, factor = ROPE_INIT_FUNCTIONS[rope_type](config, "cpu", seq_len=tokens)
    return inverse.tolist(), float(factor)


def main():
    transformers.logging.set_verbosity_error()
    cases = []
    for name, head_dim, theta, max_positions, tokens, scaling in entries():
        shape = {
            "model_type": "llama",
            "hidden_size": HEADS * head_dim,
            "num_attention_heads": HEADS,
            "head_dim": head_dim,
            "max_position_embeddings": max_positions,
        }
        newer = {**shape, "rope_parameters": {"rope_theta": theta, **scaling}}
        old_scaling = dict(scaling)
        old_scaling["type"] = old_scaling.pop("rope_type")
        older = {**shape, "rope_theta": theta, "rope_scaling": None if name == "default" else old_scaling}
        inverse, factor = frequencies(newer, tokens)
        assert (inverse, factor) == frequencies(older, tokens), f"{name}: the two forms differ"
        assert len(inverse) == head_dim // 2
        cases.append(
            {
                "name": name,
                "tokens": tokens,
                "config": newer,
                "old_config": older,
                "inverse_frequencies": inverse,
                "attention_factor": factor,
            }
        )
    lines = ",\n".join(json.dumps(case) for case in cases)
    version = json.dumps(transformers.__version__)
    path = pathlib.Path(__file__).resolve().parent / "rope.json"
    path.write_text(f'{{"transformers": {version}, "cases": [\n{lines}\n]}}\n')
    print(f"{len(cases)} cases, {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
