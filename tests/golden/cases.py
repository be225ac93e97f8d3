"""The cases: their settings, and their models and adapters, written to a folder and read back from it."""

import copy
import json
import math

import peft
import safetensors.torch
import torch
from transformers import LlamaConfig, LlamaForCausalLM

ATTENTION = ["q_proj", "k_proj", "v_proj", "o_proj"]

CASES = {
    # Multi-head attention, an lm_head of its own, config.json in the older form (rope_theta at the top).
    "mha_untied": dict(
        seed=1,
        old_config=True,
        clip=2.5,
        config=dict(
            vocab_size=48,
            hidden_size=16,
            intermediate_size=28,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=4,
            rms_norm_eps=1e-5,
            rope_theta=10000.0,
            tie_word_embeddings=False,
        ),
        lora=dict(r=4, lora_alpha=8, target_modules=ATTENTION, modules_to_save=["embed_tokens", "norm"]),
    ),
    # Grouped-query attention, one matrix for embedding and lm_head, config.json in the newer form.
    "gqa_tied": dict(
        seed=2,
        sparse=True,
        clip=1.0,
        config=dict(
            vocab_size=40,
            hidden_size=24,
            intermediate_size=44,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            rms_norm_eps=1e-6,
            rope_theta=500.0,
            tie_word_embeddings=True,
        ),
        lora=dict(
            r=4,
            lora_alpha=8,
            target_modules=ATTENTION,
            modules_to_save=["embed_tokens", "lm_head", "norm"],
            ensure_weight_tying=True,
        ),
    ),
    # A head_dim that is not hidden_size / heads, three layers, one K/V head; rsLoRA on every linear
    # layer, and no other weight trained.
    "head_dim": dict(
        seed=3,
        clip=1.0,
        config=dict(
            vocab_size=48,
            hidden_size=16,
            intermediate_size=28,
            num_hidden_layers=3,
            num_attention_heads=4,
            num_key_value_heads=1,
            head_dim=10,
            rms_norm_eps=1e-5,
            rope_theta=10000.0,
            tie_word_embeddings=False,
        ),
        lora=dict(
            r=4,
            lora_alpha=8,
            use_rslora=True,
            target_modules=ATTENTION + ["gate_proj", "up_proj", "down_proj"],
        ),
    ),
}


def draw(model, generator):
    """Weights large enough that attention is peaked and every gradient is far from zero."""
    with torch.no_grad():
        for name, p in model.named_parameters():
            noise = torch.randn(p.shape, generator=generator)
            if name.endswith("norm.weight"):
                p.copy_(1 + 0.2 * noise)
            elif "embed_tokens" in name:
                p.copy_(0.5 * noise)
            else:
                gain = 1.5 if "q_proj" in name or "k_proj" in name else 1.0
                p.copy_(gain / math.sqrt(p.shape[1]) * noise)


def write_json(path, value):
    path.write_text(json.dumps(value, indent=1) + "\n")


def config_json(config, old_form):
    keys = config.to_diff_dict()
    for key in ("transformers_version", "initializer_range", "pretraining_tp", "use_cache"):
        keys.pop(key, None)
    if old_form:
        rope = keys.pop("rope_parameters")
        keys["rope_theta"] = rope["rope_theta"]
        keys["torch_dtype"] = keys.pop("dtype")
        if keys["head_dim"] * keys["num_attention_heads"] == keys["hidden_size"]:
            del keys["head_dim"]
        scaled = rope["rope_type"] != "default"
        keys["rope_scaling"] = {"type": rope["rope_type"], "factor": rope["factor"]} if scaled else None
    return dict(sorted(keys.items()))


def write_model(case, folder):
    spec = copy.deepcopy(CASES[case]["config"])
    theta = spec.pop("rope_theta")
    default = dict(rope_theta=theta, rope_type="default")
    config = LlamaConfig(
        max_position_embeddings=64,
        rope_parameters=default,
        bos_token_id=1,
        eos_token_id=2,
        architectures=["LlamaForCausalLM"],
        dtype="float32",
        **spec,
    )
    model = LlamaForCausalLM(config)
    draw(model, torch.Generator().manual_seed(CASES[case]["seed"]))
    weights = {name: p.detach().contiguous() for name, p in model.named_parameters()}
    safetensors.torch.save_file(weights, folder / "model.safetensors", {"format": "pt"})
    old = CASES[case].get("old_config", False)
    write_json(folder / "config.json", config_json(config, old))
    linear = copy.deepcopy(config)
    linear.rope_parameters = dict(rope_theta=theta, rope_type="linear", factor=4.0)
    write_json(folder / "config_linear4.json", config_json(linear, old))


def write_adapter(case, folder):
    model = peft.get_peft_model(
        load(folder, torch.float32), peft.LoraConfig(task_type="CAUSAL_LM", **CASES[case]["lora"])
    )
    generator = torch.Generator().manual_seed(100 + CASES[case]["seed"])
    spec = CASES[case]["lora"]
    scale = spec["lora_alpha"] / (math.sqrt(spec["r"]) if spec.get("use_rslora") else spec["r"])
    with torch.no_grad():
        for name, p in model.named_parameters():
            if not p.requires_grad:
                continue
            if "lora_" in name:  # B too: with PEFT's B = 0 the gradients of A would be zero
                gain = 1 / scale if "lora_B" in name else 0.7
                p.copy_(gain * torch.randn(p.shape, generator=generator) / math.sqrt(p.shape[1]))
            else:
                p.add_(0.1 * torch.randn(p.shape, generator=generator))
    model.save_pretrained(folder / "adapter")
    (folder / "adapter" / "README.md").unlink(missing_ok=True)
    path = folder / "adapter" / "adapter_config.json"
    keys = json.loads(path.read_text())
    keys["base_model_name_or_path"] = case  # PEFT writes where the model lay on the machine that ran this
    keys["target_modules"].sort()  # a set: written in a new order at every run
    write_json(path, keys)


def load(folder, dtype, config="config.json"):
    model = LlamaForCausalLM.from_pretrained(
        folder,
        config=LlamaConfig.from_json_file(folder / config),
        attn_implementation="eager",
        dtype=torch.float32,
    )
    return model.to(dtype).train()


def load_adapted(folder, dtype):
    model = peft.PeftModel.from_pretrained(load(folder, dtype), folder / "adapter", is_trainable=True)
    return model.to(dtype).train()


def peft_key(name):
    """The parameter's key in adapter_model.safetensors."""
    return name.replace(".modules_to_save.default", "").replace(".default", "")
