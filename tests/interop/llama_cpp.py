"""llama.cpp itself on what scca exports: python llama_cpp.py SCCA WORKDIR

llama.cpp (its wheel on PyPI, xllamacpp) reads the file and continues a text, always by the likeliest token; scca computes
the logits of the same tokens. Two figures: how many of llama.cpp's tokens are scca's likeliest too, and the largest
difference of their log-probabilities. llama.cpp rounds activations to 8 bits where weights are quantised, keeps keys and
values as it is told to (f32 here), and scca does neither, so that the bound depends on the type.
"""
import json
import os
import sys

import numpy as np
import xllamacpp

from gguf_files import run, small_models, smollm2

scca, work = os.path.abspath(sys.argv[1]), os.path.join(sys.argv[2], "llama_cpp")
root = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
PROMPT = "Once upon a time there was a little dog who lived"
TOKENS = 48
BYTES = range(259)  # the small models' ids of one byte and of no text: llama.cpp's answer leaves them out, so they are forbidden
BOUND = {"f32": 5e-4, "f16": 1e-2, "q8_0": 0.25, "q4_0": 0.5, "q4_1": 0.5}  # of a log-probability
failed = False


def of_llama_cpp(path, without, lora=None, scale=0.0):
    """(id, log-probability) of each token that llama.cpp puts after the prompt."""
    params = xllamacpp.CommonParams()
    params.model.path = path
    params.n_ctx, params.n_parallel, params.n_gpu_layers = 2048, 1, 0
    params.cpuparams.n_threads, params.warmup, params.verbosity, params.fit_params = os.cpu_count(), False, 0, False
    params.cache_type_k = params.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
    params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    params.rope_freq_scale = scale  # 0: the file's own
    if lora:
        params.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(lora, 1.0)]
    answer = xllamacpp.Server(params).handle_completions(
        {"prompt": PROMPT, "max_tokens": TOKENS, "temperature": 0, "logprobs": 1, "ignore_eos": True,
         "logit_bias": [[i, False] for i in without]})
    return [(token["id"], token["logprob"]) for token in answer["choices"][0]["logprobs"]["content"]]


def compare(what, kind, path, *flags, **of_theirs):
    """`flags` are scca's, `of_theirs` llama.cpp's."""
    global failed
    ids = [int(i) for i in run("tokenize", "--model", path, "--bos", "auto", "--text", PROMPT).split(",")]
    without = [] if "SmolLM2" in what else BYTES
    theirs = of_llama_cpp(path, without, **of_theirs)
    every = ids + [token for token, _ in theirs]
    out = json.loads(run("logits", "--model", path, *flags, "--ids", ",".join(map(str, every)), "--all", "--json"))
    logits = np.array(out["logits"], dtype=np.float64)[len(ids) - 1:-1]
    logits -= logits.max(axis=1, keepdims=True)
    ours = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    error = max(abs(ours[i, token] - log_probability) for i, (token, log_probability) in enumerate(theirs))
    ours[:, list(without)] = -np.inf
    same = sum(int(ours[i].argmax() == token) for i, (token, _) in enumerate(theirs))
    # Two tokens closer than both errors may change places.
    near = all(ours[i].max() - ours[i, token] <= 2 * BOUND[kind] for i, (token, _) in enumerate(theirs))
    assert len(theirs) == TOKENS, f"{what}: llama.cpp gave {len(theirs)} tokens"
    good = error <= BOUND[kind] and near and (same == len(theirs) or kind not in ("f32", "f16"))
    failed = failed or not good
    print(f"{what:58} {same:3} of {len(theirs)}  {error:9.2e}  (at most {BOUND[kind]:.0e}){'' if good else '  WRONG'}",
          flush=True)


def train(model, out, *flags):
    """A short LoRA run, so that every update is far from zero."""
    run("finetune", "--model", model, "--data", os.path.join(root, "train/demo/books/finetune"), "--out", out, "--context", "128",
        "--attention", "full", "--steps", "4", "--warmup", "0", "--lr", "2e-3", "--train", "none", *flags)
    return os.path.join(out, "adapter")


def adapter_cases(name, model, base, kind):
    """The update alone beside its base, and merged; then with stretched positions."""
    for what, flags, scale in (("", ("--rope", "none"), 0.0), (" linear x 2", ("--rope", "linear", "--rope-factor", "2"), 0.5),
                               (" YaRN x 2", ("--rope", "yarn", "--rope-factor", "2"), None),
                               (" llama3 x 2", ("--rope", "llama3", "--rope-factor", "2"), None)):
        out = os.path.join(work, (name + " run" + what).replace(" ", "_"))
        adapter = train(model, out, *flags)
        merged = out + ".f32.gguf"
        run("export", "--model", model, "--adapter", adapter, "--type", "f32", "--out", merged)
        compare(f"{name}, adapter{what} merged, f32", "f32", merged)
        if scale is None:  # llama.cpp takes these from a model's file alone
            continue
        alone = out + ".adapter.gguf"
        run("export", "--model", model, "--adapter", adapter, "--adapter-alone", "--out", alone)
        compare(f"{name}, adapter{what} alone on {kind}", kind, base, "--adapter", adapter, lora=alone, scale=scale)


def main():
    models = [(name, folder) for name, folder, _ in small_models(work)] + [("SmolLM2", path) for path in smollm2()]
    for name, model in models:
        os.makedirs(work, exist_ok=True)
        for kind in ("f32", "f16", "q8_0", "q4_0"):
            path = os.path.join(work, f"{name.replace(' ', '_')}.{kind}.gguf")
            run("export", "--model", model, "--type", kind, "--out", path)
            compare(f"{name}, {kind} exported", kind, path)
    for path in smollm2():
        compare("SmolLM2, Q4_1 as published", "q4_1", path)
    name, folder = models[0]
    adapter_cases(name, folder, os.path.join(work, f"{name}.f32.gguf"), "f32")
    sys.exit(failed)


main()
