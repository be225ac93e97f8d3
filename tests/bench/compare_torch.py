#!/usr/bin/env python3
"""scca's attention beside PyTorch's, on the same card, shapes and patterns.

    python3 tests/bench/compare_torch.py --scca build/scca --json results/gpu/CARD/bench.json

reads what `scca bench --device cuda --json` measured, measures scaled_dot_product_attention (full only) and FlexAttention
(every pattern, compiled, with its block mask) at the same shapes, prints both and writes them into the file under
"torch". FLOPs are counted the same way: 4 and 10 per visible pair and unit of head width. Every pattern's formula here is
held against the plan that `scca patterns` prints before anything is measured. --device cpu is for trying the script: its
figures mean nothing.
"""
import argparse
import json
import re
import subprocess
import sys
import time

import torch
from torch.nn.attention.flex_attention import create_block_mask, flex_attention


def length(text, tokens):
    """A chunk: 512, or a fraction of the text, rounded up."""
    if "/" in text:
        above, below = map(int, text.split("/"))
        return max(1, -(-tokens * above // below))
    return int(text)


def mask_of(spec, tokens, heads):
    """mask(batch, head, query, key) of a pattern, causality included: nn/patterns' formulas."""
    name, arguments = re.fullmatch(r"([a-z0-9-]+)(?:\((.*)\))?", spec).groups()
    given = dict(pair.split("=") for pair in arguments.split(",")) if arguments else {}
    w, r = length(given.get("chunk", "1/4"), tokens), int(given.get("dilation", 4))
    if name == "full":
        visible = lambda h, q, k: q >= k  # noqa: E731
    elif name == "local":
        visible = lambda h, q, k: q // w == k // w  # noqa: E731
    elif name == "scca-fixed":
        s = w // 2

        def visible(h, q, k):
            c = q // w
            return torch.where(h < heads // 2, k // w == c, (c * w - s <= k) & (k < c * w + w - s))
    elif name == "s2":

        def visible(h, q, k):
            shift = torch.where(h < heads // 2, 0, w // 2)
            return (k + shift) // w == (q + shift) // w
    elif name == "window":
        visible = lambda h, q, k: q - k < w  # noqa: E731
    elif name == "sda":
        visible = lambda h, q, k: (q - h % r - k) % r == 0  # noqa: E731
    elif name == "dilated":
        visible = lambda h, q, k: k % r == h % r  # noqa: E731
    elif name == "scca-flow" and given.get("early") == "local":
        m = -(-tokens // w)

        def visible(h, q, k):
            seen = q // w - h % m
            return k // w == torch.where(seen < 0, q // w, seen)
    else:
        sys.exit(f"compare_torch.py: no formula here for the pattern {spec}; add it to mask_of")
    return lambda b, h, q, k: visible(h, q, k) & (q >= k)


def hold_to_scca(scca, spec, heads, tokens=61):
    """The pattern's formula against scca's own plan."""
    spec = re.sub(r"chunk=\d+", "chunk=7", spec)
    command = [scca, "patterns", spec, "--tokens", str(tokens), "--heads", str(heads), "--json"]
    plan = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE).stdout)
    wanted = torch.zeros(heads, tokens, tokens, dtype=torch.bool)
    for h, tiles in enumerate(plan["heads"]):
        for tile in tiles:
            start, step, count = tile["queries"]
            for query in range(start, start + step * count, step):
                for key_start, key_step, key_count, *reach in tile["keys"]:
                    for key in range(key_start, key_start + key_step * key_count, key_step):
                        wanted[h, query, key] |= key <= query and (not reach or query - key < reach[0])
    at = torch.arange(tokens)
    h = torch.arange(heads)[:, None, None]
    found = mask_of(spec, tokens, heads)(0, h, at[None, :, None], at[None, None, :])
    if not torch.equal(found.expand_as(wanted), wanted):
        sys.exit(f"compare_torch.py: the formula of {spec} here is not what scca patterns prints; mend mask_of")


def seconds_of(work, device, budget):
    """The fastest of several batches of calls, each waited for as a whole, after two calls that do not count."""
    wait = torch.cuda.synchronize if device == "cuda" else lambda: None

    def timed(calls):
        wait()
        begin = time.perf_counter()
        for _ in range(calls):
            work()
        wait()
        return (time.perf_counter() - begin) / calls

    timed(1)
    calls = max(1, min(1000, int(5e-3 / timed(1))))
    best, spent = float("inf"), 0.0
    while spent == 0 or spent < budget:
        taken = timed(calls)
        best, spent = min(best, taken), spent + max(taken * calls, 1e-9)
    return best


def measure_forward(attend, inputs, dout, device, budget):
    with torch.no_grad():
        return seconds_of(lambda: attend(*inputs), device, budget)


def measure_backward(attend, inputs, dout, device, budget):
    wanted = [x.detach().requires_grad_() for x in inputs]
    out = attend(*wanted)
    return seconds_of(lambda: torch.autograd.grad(out, wanted, dout, retain_graph=True), device, budget)


def methods_of(spec, tokens, heads, device):
    """PyTorch's ways to compute this pattern: name, and what makes the function."""
    compiled = torch.compile(flex_attention) if device == "cuda" else flex_attention

    def flex():
        block_mask = create_block_mask(mask_of(spec, tokens, heads), None, heads, tokens, tokens, device=device)
        return lambda q, k, v: compiled(q, k, v, block_mask=block_mask)

    methods = [("flex", flex)]
    if spec == "full":
        sdpa = torch.nn.functional.scaled_dot_product_attention
        methods.append(("sdpa", lambda: lambda q, k, v: sdpa(q, k, v, is_causal=True)))
    return methods


def compare(entry, dtype, options):
    """What each of PyTorch's methods takes for one of scca's figures."""
    spec, tokens, heads, width = (entry[key] for key in ("pattern", "tokens", "heads", "head_dim"))
    generator = torch.Generator(device=options.device).manual_seed(1)
    q, k, v, dout = (
        torch.randn(1, heads, tokens, width, device=options.device, dtype=dtype, generator=generator) for _ in range(4)
    )
    found = []
    for name, make in methods_of(spec, tokens, heads, options.device):
        result = {"method": name, "dtype": str(dtype).split(".")[-1], "pattern": spec, "tokens": tokens}
        torch._dynamo.reset()
        for way, measure, flops in (("forward", measure_forward, 4), ("backward", measure_backward, 10)):
            try:
                seconds = measure(make(), (q, k, v), dout, options.device, options.budget)
                result[way + "_seconds"] = seconds
                result[way + "_tflops"] = 1e-12 * flops * entry["visible_pairs"] * width / seconds
                result[way + "_time_over_scca"] = seconds / entry[way + "_seconds"]
            except Exception as error:  # what this PyTorch cannot do must not end the comparison
                result[way + "_failure"] = f"{type(error).__name__}: {error}".splitlines()[0]
        found.append(result)
    return found


def print_line(result):
    line = f"{result['dtype']} {result['method']} {result['pattern']}, {result['tokens']}:".ljust(50)
    for way in ("forward", "backward"):
        if way + "_failure" in result:
            line += f"  {way} not measured ({result[way + '_failure'][:60]})"
        else:
            line += f"  {way} {result[way + '_tflops']:.2f} TFLOP/s, {result[way + '_time_over_scca']:.2f} x scca's time"
    print(line, flush=True)


def main():
    parser = argparse.ArgumentParser(description="scca's attention beside PyTorch's")
    parser.add_argument("--scca", required=True, help="the scca program")
    parser.add_argument("--json", required=True, help="what scca bench --device cuda --json wrote; gets a key 'torch'")
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"))
    parser.add_argument("--budget", type=float, default=0.5, help="seconds a measurement")
    options = parser.parse_args()
    if options.device == "cuda" and not torch.cuda.is_available():
        sys.exit("compare_torch.py: this PyTorch sees no CUDA device; install one built for CUDA, or try --device cpu")
    with open(options.json) as file:
        bench = json.load(file)
    torch.backends.cuda.matmul.allow_tf32 = False  # f32 means f32, as in scca
    specs = {(e["pattern"], e["heads"]) for figures in bench["dtypes"].values() for e in figures["attention"]}
    for spec, heads in sorted(specs):
        hold_to_scca(options.scca, spec, heads)
    name = torch.cuda.get_device_name() if options.device == "cuda" else "the CPU: these figures mean nothing"
    print(f"PyTorch {torch.__version__} on {name}")
    results = []
    for dtype_name, dtype in (("f32", torch.float32), ("bf16", torch.bfloat16)):
        for entry in bench["dtypes"].get(dtype_name, {"attention": []})["attention"]:
            for result in compare(entry, dtype, options):
                print_line(result)
                results.append(result)
    bench["torch"] = {"version": torch.__version__, "device": options.device, "attention": results}
    with open(options.json, "w") as file:
        json.dump(bench, file, indent=1)
        file.write("\n")


if __name__ == "__main__":
    main()
