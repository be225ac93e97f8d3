#!/usr/bin/env python3
"""Writes adapters/ beside this file: adapters of the kinds that people bring, made by PEFT on the base of
gqa_tied, and what PEFT computes with each.

Run by hand after make_goldens.py (README.md has the versions). Each adapter is saved, put onto a fresh base again
as a user would, and run in f64 on the first row of gqa_tied's ids.
"""

import json
import os
import pathlib
import shutil

os.environ["CUDA_VISIBLE_DEVICES"] = ""
os.environ["HF_HUB_OFFLINE"] = "1"

import peft
import safetensors.torch
import torch
import transformers

from cases import load, write_json
from widened import arithmetic

HERE = pathlib.Path(__file__).resolve().parent
BASE = HERE / "gqa_tied"
Q_V = ["q_proj", "v_proj"]

ADAPTERS = {
    # A tied base whose embedding is trained: PEFT's default keeps the old head, and so unties the two.
    "embed_only": dict(modules_to_save=["embed_tokens"]),
    "head_only": dict(modules_to_save=["lm_head"]),
    "embed_and_head": dict(modules_to_save=["embed_tokens", "lm_head"]),
    "embed_tied": dict(modules_to_save=["embed_tokens"], ensure_weight_tying=True),
    # The embedding is stored because it was changed, not because modules_to_save names it: it stays tied.
    "embed_stored": dict(stored=True),
    "rank_pattern": dict(
        rank_pattern={"q_proj": 3, "layers.1.self_attn.v_proj": 1},
        alpha_pattern={"v_proj": 7},
        use_rslora=True,
    ),
    # Keys are regular expressions, and the first in the file that matches counts.
    "rank_regex": dict(
        rank_pattern={r"layers\.1\..*": 3, "q_proj": 1, "self_attn.(q|v)_proj": 4},
        alpha_pattern={r"v_pro[a-j]": 7, ".*": 3},
    ),
    # Updates of the embedding and the head; on a tied base each is the one's alone.
    "lora_embed": dict(target_modules=Q_V + ["embed_tokens"], alpha_pattern={"embed_tokens": 5}),
    "lora_head": dict(target_modules=Q_V + ["lm_head"], rank_pattern={"lm_head": 3}),
    "lora_embed_and_head": dict(target_modules=Q_V + ["embed_tokens", "lm_head"]),
    # The adapter's own name left in the keys, as some programs write them.
    "default_keys": dict(default_keys=True),
    "one_layer": dict(layers_to_transform=[1], exclude_modules=["v_proj"]),
    "gaussian": dict(init_lora_weights="gaussian"),
    "orthogonal": dict(init_lora_weights="orthogonal"),
    # Starts that change the base: equal to it before training, and no plain LoRA.
    "pissa_untrained": dict(init_lora_weights="pissa", trained=False),
    "olora_untrained": dict(init_lora_weights="olora", trained=False),
}


def make(name, stored=False, trained=True, default_keys=False, **settings):
    torch.manual_seed(sum(name.encode()))
    base = load(BASE, torch.float32)
    if stored:
        with torch.no_grad():
            base.get_input_embeddings().weight.add_(0.2 * torch.randn(base.get_input_embeddings().weight.shape))
    settings = {"r": 2, "lora_alpha": 4, "target_modules": Q_V, **settings}
    model = peft.get_peft_model(base, peft.LoraConfig(task_type="CAUSAL_LM", **settings))
    if trained:
        with torch.no_grad():
            for p in model.parameters():
                if p.requires_grad:
                    p.add_(0.2 * torch.randn(p.shape))
    folder = HERE / "adapters" / name
    model.save_pretrained(folder, save_embedding_layers=True if stored else "auto")
    (folder / "README.md").unlink(missing_ok=True)
    path = folder / "adapter_config.json"
    keys = json.loads(path.read_text())
    keys["base_model_name_or_path"] = "gqa_tied"
    keys["target_modules"].sort()
    write_json(path, keys)
    if default_keys:
        file = folder / "adapter_model.safetensors"
        tensors = safetensors.torch.load_file(file)
        (folder / "plain.safetensors").write_bytes(file.read_bytes())
        safetensors.torch.save_file(
            {key.replace(".weight", ".default.weight"): tensor for key, tensor in tensors.items()}, file, {"format": "pt"}
        )


def logits(name, ids):
    folder = HERE / "adapters" / name
    if (folder / "plain.safetensors").exists():  # what PEFT reads is what it wrote
        other = (folder / "adapter_model.safetensors").read_bytes()
        (folder / "plain.safetensors").rename(folder / "adapter_model.safetensors")
        result = logits(name, ids)
        (folder / "adapter_model.safetensors").write_bytes(other)
        return result
    # A start that changes the base computes in f32.
    model = peft.PeftModel.from_pretrained(load(BASE, torch.float32), HERE / "adapters" / name)
    model = model.to(torch.float64)
    with torch.no_grad(), arithmetic(torch.float64):
        return model(input_ids=ids, use_cache=False).logits[0].to(torch.float32).contiguous()


def main():
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    shutil.rmtree(HERE / "adapters", ignore_errors=True)
    ids = torch.tensor(json.loads((BASE / "ids.json").read_text())["ids"])[:1]
    with torch.no_grad(), arithmetic(torch.float64):
        base = load(BASE, torch.float64)(input_ids=ids, use_cache=False).logits[0]
    tensors = {}
    for name, settings in ADAPTERS.items():
        make(name, **settings)
        tensors[name] = logits(name, ids)
        difference = (tensors[name] - base).abs().max().item()
        assert difference < 1e-5 if name.endswith("_untrained") else difference > 0.1, (name, difference)
        print(f"{name}: {difference:.3g} from the base")
    safetensors.torch.save_file(tensors, HERE / "adapters" / "logits.safetensors")


if __name__ == "__main__":
    main()
