"""GGUF both ways: python gguf_files.py SCCA WORKDIR

Models of every family, random and small, and SmolLM2 from its package. What scca exports is read by transformers and
by the gguf library; what is in a file is computed by both. The figure is the largest difference of two logits.
"""
import glob
import json
import os
import shutil
import subprocess
import sys

import numpy as np
import torch
import transformers
from gguf import GGUFReader

scca, work = os.path.abspath(sys.argv[1]), os.path.join(sys.argv[2], "gguf_files")
transformers.logging.set_verbosity_error()
IDS = [1, 17, 50, 3, 99, 64, 2, 31, 80, 5]
failed = False


def run(*arguments):
    done = subprocess.run([scca, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, f"scca {' '.join(arguments)}: {done.stderr}"
    return done.stdout


def logits_of_scca(model):
    out = json.loads(run("logits", "--model", model, "--ids", ",".join(map(str, IDS)), "--all", "--json"))
    return np.array(out["logits"], dtype=np.float64)


def logits_of(model):
    with torch.no_grad():
        return model.eval()(torch.tensor([IDS])).logits[0].double().numpy()


def read_by_transformers(path):
    folder, name = os.path.split(path)
    return transformers.AutoModelForCausalLM.from_pretrained(folder, gguf_file=name, dtype=torch.float32)


def line(what, a, b, most):
    global failed
    error = float(np.abs(a - b).max())
    good = error <= most
    failed = failed or not good
    print(f"{what:48} {error:9.2e} of {np.abs(b).max():5.1f}  (at most {most:.0e}){'' if good else '  WRONG'}", flush=True)


def families():
    common = dict(vocab_size=512, hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4,
                  num_key_value_heads=2, max_position_embeddings=128, bos_token_id=1, eos_token_id=2,
                  initializer_range=0.15)
    yield "llama", transformers.LlamaConfig(**common, rope_theta=5000.0)
    yield "llama tied", transformers.LlamaConfig(**common, tie_word_embeddings=True)
    yield "qwen2", transformers.Qwen2Config(**common)
    yield "qwen3", transformers.Qwen3Config(**common, head_dim=128)  # what its reader takes, whatever a file says


def small_models(folder):
    """Name, folder and torch model of each family; written into the folder, which is made anew."""
    shutil.rmtree(folder, ignore_errors=True)
    for name, config in families():
        torch.manual_seed(5)
        model = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.float32)
        for parameter in model.parameters():
            if parameter.ndim == 1:
                parameter.data += torch.randn_like(parameter) / 4
        path = os.path.join(folder, name.replace(" ", "_"))
        model.save_pretrained(path)
        shutil.copy(os.path.join(os.path.dirname(scca), "..", "tests/data/stories260K/tokenizer.model"), path)
        yield name, path, model


def smollm2():
    return glob.glob(os.path.join(sys.argv[2], "packages", "**", "*SmolLM2*.gguf"), recursive=True)


def main():
    for name, folder, model in small_models(work):
        truth = logits_of(model)
        line(f"{name}: folder", logits_of_scca(folder), truth, 2e-5)
        for kind in ("f32", "f16", "q8_0", "q4_0"):
            path = f"{folder}.{kind}.gguf"
            run("export", "--model", folder, "--type", kind, "--out", path)
            GGUFReader(path)
            ours = logits_of_scca(path)
            line(f"{name}: {kind} exported, read by transformers", ours, logits_of(read_by_transformers(path)), 2e-5)
            if kind == "f32":
                line(f"{name}: f32 exported, against the folder", ours, truth, 2e-5)
    for path in smollm2():
        line("SmolLM2-135M Q4_1, read by both", logits_of_scca(path), logits_of(read_by_transformers(path)), 1e-3)
    sys.exit(failed)


if __name__ == "__main__":
    main()
