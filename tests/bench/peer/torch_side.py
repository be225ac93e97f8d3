"""PyTorch's side of peer.py, one process a measurement, so that its peak memory is its own: python torch_side.py JOB.json
prints one JSON object. What is timed is what a user of transformers and PEFT would run, in its fastest form."""
import json
import resource
import statistics
import sys
import time

import torch
import torch.utils.checkpoint
from transformers import AttentionInterface, AutoConfig, AutoModelForCausalLM

from patterns import attention_of


def sparse(name, tokens):
    """Registers the pattern as an attention of transformers; its name there."""
    compute = attention_of(name, tokens)
    if compute is None:
        return "sdpa"

    def attention(module, query, key, value, attention_mask, scaling=None, dropout=0.0, **_):
        groups = query.shape[1] // key.shape[1]
        key, value = key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)
        return compute(query, key, value).transpose(1, 2).contiguous(), None

    AttentionInterface.register("by-hand", attention)
    return "by-hand"


def load(job, tokens=0):
    config = AutoConfig.from_pretrained(job["folder"])
    if job.get("factor", 1) != 1:
        config.rope_parameters = dict(config.rope_parameters, rope_type="linear", factor=job["factor"])
    dtype = torch.bfloat16 if job.get("dtype") == "bf16" else torch.float32
    return AutoModelForCausalLM.from_pretrained(job["folder"], config=config, dtype=dtype,
                                                attn_implementation=sparse(job.get("pattern", "full"), tokens))


def seconds_of(work):
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def loss_of(model, ids, rows):
    """The model's own loss, or where `rows` is not 0 the same mean over pieces of so many tokens, whose logits are made again
    in backward: else they alone would take 10 GB at 16384 tokens."""
    if not rows:
        return model(input_ids=ids, labels=ids, use_cache=False).loss
    base = model.get_base_model()
    hidden, targets = base.model(input_ids=ids, use_cache=False).last_hidden_state[0, :-1], ids[0, 1:]

    def piece(h, t):
        return torch.nn.functional.cross_entropy(base.lm_head(h), t, reduction="sum")

    pieces = zip(hidden.split(rows), targets.split(rows))
    return sum(torch.utils.checkpoint.checkpoint(piece, h, t, use_reentrant=False) for h, t in pieces) / len(targets)


def step(job):
    from peft import LoraConfig, get_peft_model

    ids = torch.tensor([job["ids"]])
    model = load(job, ids.shape[1])
    if job["checkpointing"] == "on":
        model.gradient_checkpointing_enable({"use_reentrant": False})
        model.enable_input_require_grads()
    model = get_peft_model(model, LoraConfig(r=8, lora_alpha=16, target_modules=["q_proj", "k_proj", "v_proj", "o_proj"]))
    for name, weight in model.named_parameters():
        weight.requires_grad_("lora_" in name or "embed_tokens" in name or "norm" in name)
    model.train()
    optimizer = torch.optim.AdamW([w for w in model.parameters() if w.requires_grad], lr=1e-5, weight_decay=0)
    losses, seconds = [], []
    for _ in range(job["steps"]):

        def one():
            loss = loss_of(model, ids, job["loss_rows"])
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
            losses.append(loss.item())

        seconds.append(seconds_of(one))
    return {"losses": losses, "seconds": seconds}


@torch.no_grad()
def evaluate(job):
    ids = torch.tensor(job["ids"]).reshape(-1, job["context"])
    model = load(job).eval()
    losses, seconds = [], []
    for row in ids:
        seconds.append(seconds_of(lambda: losses.append(model(input_ids=row[None], labels=row[None], use_cache=False).loss.item())))
    return {"losses": losses, "seconds": seconds}


@torch.no_grad()
def generate(job):
    ids = torch.tensor([job["ids"]])
    model = load(job).eval()
    model(input_ids=ids[:, :64])  # the first call prepares
    state = {}

    def prompt():
        state["out"] = model(input_ids=ids, use_cache=True, logits_to_keep=1)

    def answer():
        out = state["out"]
        for _ in range(job["answer"]):
            token = out.logits[:, -1:].argmax(-1)
            out = model(input_ids=token, past_key_values=out.past_key_values, use_cache=True)

    return {"prompt": ids.shape[1] / seconds_of(prompt), "answer": job["answer"] / seconds_of(answer)}


@torch.no_grad()
def first_logits(job):
    """From the files to logits; the library is imported already."""
    return {"seconds": [seconds_of(lambda: load(job)(input_ids=torch.tensor([[1, 2, 3, 4, 5]])))]}


def tokenize(job):
    from tokenizers import Tokenizer

    tokenizer, text = Tokenizer.from_file(job["folder"] + "/tokenizer.json"), open(job["text"]).read()
    out = {}
    seconds = seconds_of(lambda: out.update(count=len(tokenizer.encode(text, add_special_tokens=False).ids)))
    return {"seconds": [seconds], "count": out["count"]}


job = json.load(open(sys.argv[1]))
torch.set_num_threads(job["threads"])
result = {"step": step, "eval": evaluate, "generate": generate, "load": first_logits, "tokenize": tokenize}[job["kind"]](job)
result["peak_bytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(json.dumps(result))
