"""Makes gguf/: files written by the gguf library, beside what that library or the other goldens say of them.

blocks.gguf, blocks.safetensors   two rows of every block format, and the library's reading of them
encoded.safetensors               a tensor w, and the library's bytes of it in Q8_0 and Q4_0
gqa_tied.gguf, mha_untied.gguf    those two cases' models in f32 and (the matrices) f16, rows in llama.cpp's order
llama3.gguf                       settings and divisors of LLaMA 3.1's scaling, and the smallest tensors
"""
import json
import os

import gguf
import numpy as np
from gguf import GGMLQuantizationType as T
from safetensors.numpy import load_file, save_file

here = os.path.dirname(os.path.abspath(__file__))
out = os.path.join(here, "gguf")
os.makedirs(out, exist_ok=True)
random = np.random.default_rng(11)

# Where each format has its f16 numbers: they must be numbers; everything else may be any bytes.
HALVES = {T.Q4_0: [0], T.Q4_1: [0, 2], T.Q5_0: [0], T.Q5_1: [0, 2], T.Q8_0: [0], T.Q4_K: [0, 2], T.Q5_K: [0, 2],
          T.Q6_K: [208]}


def blocks():
    writer = gguf.GGUFWriter(os.path.join(out, "blocks.gguf"), "llama")
    expected = {}
    for kind, halves in HALVES.items():
        count, size = gguf.GGML_QUANT_SIZES[kind]
        rows, per_row = 2, 3 if count == 32 else 1
        data = random.integers(0, 256, (rows, per_row, size), dtype=np.uint8)
        for at in halves:
            data[:, :, at:at + 2] = (random.normal(size=(rows, per_row, 1)) / 16).astype(np.float16).view(np.uint8)
        data = data.reshape(rows, per_row * size)
        writer.add_tensor(kind.name, data, raw_dtype=kind)
        expected[kind.name] = gguf.quants.dequantize(data, kind).astype(np.float32)
    finish(writer)
    save_file(expected, os.path.join(out, "blocks.safetensors"))


def encoded():
    w = random.normal(size=(5, 96)).astype(np.float32)
    w[1, :32] = 0
    w[2, 40] = 60
    w[3, 64:] = np.linspace(-8, 7.5, 32)  # halfway between Q4_0's codes
    save_file({"w": w, "Q8_0": gguf.quants.quantize(w, T.Q8_0), "Q4_0": gguf.quants.quantize(w, T.Q4_0)},
              os.path.join(out, "encoded.safetensors"))


BLOCK = {"input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm", "self_attn.q_proj": "attn_q",
         "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
         "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down"}
OUTSIDE = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}


def name_of(name):
    stem, ending = name.rsplit(".", 1)
    if stem in OUTSIDE:
        return f"{OUTSIDE[stem]}.{ending}"
    _, _, layer, part = stem.split(".", 3)
    return f"blk.{layer}.{BLOCK[part]}.{ending}"


def neighbours(w, heads):
    """Row i of a head's first half, then row i of its second."""
    return w.reshape(heads, 2, -1, w.shape[1]).transpose(0, 2, 1, 3).reshape(w.shape)


def settings(writer, config):
    theta = config.get("rope_theta") or config["rope_parameters"]["rope_theta"]
    heads = config["num_attention_heads"]
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(heads)
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_freq_base(theta)
    width = config.get("head_dim") or config["hidden_size"] // heads
    writer.add_key_length(width)
    writer.add_value_length(width)
    writer.add_rope_dimension_count(width)
    writer.add_vocab_size(config["vocab_size"])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    return heads


def finish(writer):
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def model(case, half):
    config = json.load(open(os.path.join(here, case, "config.json")))
    writer = gguf.GGUFWriter(os.path.join(out, case + ".gguf"), "llama")
    heads = settings(writer, config)
    for name, w in load_file(os.path.join(here, case, "model.safetensors")).items():
        if "q_proj" in name or "k_proj" in name:
            w = neighbours(w, heads if "q_proj" in name else config["num_key_value_heads"])
        writer.add_tensor(name_of(name), w.astype(np.float16) if half and w.ndim == 2 else w)
    finish(writer)


def llama3():
    writer = gguf.GGUFWriter(os.path.join(out, "llama3.gguf"), "llama")
    settings(writer, {"max_position_embeddings": 131072, "hidden_size": 64, "num_hidden_layers": 1, "intermediate_size": 2,
                      "num_attention_heads": 1, "num_key_value_heads": 1, "rms_norm_eps": 1e-5, "rope_theta": 500000.0,
                      "vocab_size": 3})
    # Meta's rule: long wavelengths by the factor, short ones not, those between by a mean of the two.
    factor, low, high, original = 8.0, 1.0, 4.0, 8192
    inverse = 1.0 / 500000.0 ** (np.arange(0, 64, 2) / 64)
    turns = original * inverse / (2 * np.pi)
    between = np.clip((turns - low) / (high - low), 0, 1)
    divisors = 1 / ((1 - between) / factor + between)
    writer.add_tensor("rope_freqs.weight", divisors.astype(np.float32))
    writer.add_tensor("token_embd.weight", np.zeros((3, 64), np.float32))
    finish(writer)


blocks()
encoded()
model("gqa_tied", half=False)
model("mha_untied", half=True)
llama3()
print("\n".join(f"{name} {os.path.getsize(os.path.join(out, name))}" for name in sorted(os.listdir(out))))
