"""scca beside its peers: see ../peer.sh, which calls this with the libraries installed."""
import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time

root = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))
parser = argparse.ArgumentParser()
parser.add_argument("--scca", required=True)
parser.add_argument("--work", required=True)
parser.add_argument("--model", required=True, help="SmolLM2's .gguf")
parser.add_argument("--lengths", default="2048,8192")
parser.add_argument("--patterns", default="full,scca-fixed,sda,longmixed")
parser.add_argument("--dtypes", default="f32")
parser.add_argument("--checkpointing", default="on,off")
parser.add_argument("--rounds", type=int, default=2)
parser.add_argument("--steps", type=int, default=2)
parser.add_argument("--parts", default="step,eval,generate,load,tokenize")
flags = parser.parse_args()
scca, work = os.path.abspath(flags.scca), os.path.abspath(flags.work)
threads = len(os.sched_getaffinity(0))
environment = dict(os.environ, OMP_NUM_THREADS=str(threads), TOKENIZERS_PARALLELISM="true")
LOSS_BOUND = {"f32": 1e-5, "bf16": 2e-2}  # of a first loss, as a part of it
failed = False
figures = []


def run_scca(*words):
    """stdout, stderr, seconds, peak bytes."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        begin = time.perf_counter()
        child = subprocess.Popen([scca, *words], stdout=out, stderr=err, env=environment)
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - begin
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0), err.seek(0)
        texts = out.read(), err.read()
    if child.returncode != 0:
        sys.exit(f"scca {' '.join(words)}: {texts[1]}")
    return *texts, seconds, usage.ru_maxrss * 1024


def run_torch(**job):
    """Its JSON; None where memory did not suffice."""
    path = os.path.join(work, "job.json")
    json.dump(dict(job, folder=folder, threads=threads), open(path, "w"))
    done = subprocess.run([sys.executable, os.path.join(root, "tests/bench/peer/torch_side.py"), path], env=environment,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode in (-9, 137) or "not enough memory" in done.stderr or "can't allocate" in done.stderr:
        return None
    if done.returncode != 0:
        sys.exit(f"PyTorch, {job}:\n{done.stderr}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def in_turns(ours, theirs):
    """Both sides, alternating; what each round gave."""
    rounds = [(ours(), theirs()) for _ in range(flags.rounds)]
    return [a for a, _ in rounds], [b for _, b in rounds]


def spread(values):
    return f"{statistics.median(values):.3g} ({min(values):.3g} to {max(values):.3g})"


def row(what, ours, theirs, unit, more_is_better=False, peak=None):
    """Prints medians, their spread and the ratio that is above 1 where scca is better."""
    a, b = statistics.median(ours), statistics.median(theirs)
    ratio = a / b if more_is_better else b / a
    memory = f" | {peak[0] / 1e9:.2f} / {peak[1] / 1e9:.2f} GB = {peak[0] / peak[1]:.2f}" if peak else " |"
    print(f"| {what} | {spread(ours)} {unit} | {spread(theirs)} {unit} | **{ratio:.2f}** {memory} |", flush=True)
    figures.append({"what": what, "unit": unit, "scca": ours, "peer": theirs, "ratio": ratio, "peak": peak})


def check_first(what, ours, theirs, dtype):
    global failed
    off = abs(ours - theirs) / abs(theirs)
    if not off <= LOSS_BOUND[dtype]:
        print(f"{what}: first losses {ours} and {theirs} differ by {off:.1e}: NOT THE SAME WORK")
        failed = True


# The same numbers for both: the file's weights as f32, in a folder.
folder = os.path.join(work, "model")
if not os.path.exists(folder):
    run_scca("merge", "--model", flags.model, "--dtype", "f32", "--out", folder)
book = "".join(open(os.path.join(root, "train/demo/books/finetune", name)).read() + "\n"
               for name in sorted(os.listdir(os.path.join(root, "train/demo/books/finetune"))))


def text_of(tokens):
    """A file whose text has at least `tokens` tokens, and not twice as many, and their ids."""
    path, size = os.path.join(work, f"text-{tokens}.txt"), 5 * tokens
    open(path, "w").write(book[:size])
    ids = [int(i) for i in run_scca("tokenize", "--model", folder, "--file", path, "--bos", "off")[0].split(",")]
    assert tokens <= len(ids) < 2 * tokens, f"{size} characters have {len(ids)} tokens, expected {tokens} to {2 * tokens}"
    return path, ids[:tokens]


def scca_step(path, length, pattern, checkpointing, dtype):
    out = tempfile.mkdtemp(dir=work)
    err, peak = run_scca("finetune", "--model", folder, "--data", path, "--bos", "off", "--context", str(length), "--attention",
                         pattern, "--rope", "linear", "--checkpointing", checkpointing, "--dtype", dtype, "--steps", str(flags.steps), "--lr", "1e-5",
                         "--warmup", "0", "--out", os.path.join(out, "run"), "--token-cache", "off", "--force")[1::2]
    lines = [json.loads(line) for line in open(os.path.join(out, "run/metrics.jsonl"))]
    return {"losses": [line["loss"] for line in lines], "seconds": [length / line["tokens_per_s"] for line in lines],
            "peak_bytes": peak, "factor": float(re.search(r"factor ([0-9.]+)", err).group(1))}


def steps():
    print("\n| a training step | scca | PyTorch | ratio | peak memory |\n|---|--:|--:|--:|---|")
    for dtype in flags.dtypes.split(","):
        for length in map(int, flags.lengths.split(",")):
            path, ids = text_of(length)
            for pattern in flags.patterns.split(","):
                for checkpointing in flags.checkpointing.split(","):
                    cell(path, ids, pattern, checkpointing, dtype)


def cell(path, ids, pattern, checkpointing, dtype):
    what = f"{len(ids)}, {pattern}, {dtype}, checkpointing {checkpointing}"
    factor = max(1.0, len(ids) / 8192)
    ours, theirs = in_turns(
        lambda: scca_step(path, len(ids), pattern, checkpointing, dtype),
        lambda: run_torch(kind="step", ids=ids, pattern=pattern, checkpointing=checkpointing, dtype=dtype, steps=flags.steps,
                          factor=factor, loss_rows=2048 if len(ids) > 8192 else 0))
    if None in theirs:
        print(f"| {what} | {spread([s for r in ours for s in r['seconds']])} s | does not fit | | |", flush=True)
        return
    check_first(what, ours[0]["losses"][0], theirs[0]["losses"][0], dtype)
    row(what, [s for r in ours for s in r["seconds"]], [s for r in theirs for s in r["seconds"]], "s",
        peak=(max(r["peak_bytes"] for r in ours), max(r["peak_bytes"] for r in theirs)))


def evaluation():
    context, windows = 8192, 2
    path, ids = text_of(context * windows)

    def ours():
        """Without what it takes to begin: two windows less one."""
        short, long = (json_and_seconds("eval", "--model", folder, "--data", path, "--bos", "off", "--context", str(context),
                                        "--max-tokens", str(count * context), "--token-cache", "off", "--json")
                       for count in (1, windows))
        return {"seconds": (long[1] - short[1]) / (windows - 1), "nll": long[0]["nll"]}

    def theirs():
        got = run_torch(kind="eval", ids=ids, context=context)
        return {"seconds": got["seconds"][-1], "nll": statistics.mean(got["losses"])}

    a, b = in_turns(ours, theirs)
    check_first("evaluation", a[0]["nll"], b[0]["nll"], "f32")
    row(f"evaluation of a window of {context}", [r["seconds"] for r in a], [r["seconds"] for r in b], "s")


def json_and_seconds(*words):
    out, _, seconds, _ = run_scca(*words)
    return json.loads(out), seconds


def generation():
    for tokens, answer in ((512, 64), (4096, 64)):
        path, ids = text_of(tokens)

        def ours(*model):
            got, _ = json_and_seconds("generate", *model, "--prompt-file", path, "--bos", "off", "--max-tokens", str(answer),
                                      "--temperature", "0", "--ignore-eos", "--json")
            return got

        mine, torch_ = in_turns(lambda: ours("--model", folder), lambda: run_torch(kind="generate", ids=ids, answer=answer))
        row(f"prompt of {tokens}", [r["prompt_tokens_per_s"] for r in mine], [r["prompt"] for r in torch_], "tokens/s", True)
        row(f"answer after {tokens}", [r["answer_tokens_per_s"] for r in mine], [r["answer"] for r in torch_], "tokens/s", True)
        stored = ("--model", flags.model, "--base-dtype", "stored")
        mine, llama = in_turns(lambda: ours(*stored), lambda: llama_cpp(path, answer))
        row(f"prompt of {tokens}, Q4_1, beside llama.cpp", [r["prompt_tokens_per_s"] for r in mine],
            [r["prompt_per_second"] for r in llama], "tokens/s", True)
        row(f"answer after {tokens}, Q4_1, beside llama.cpp", [r["answer_tokens_per_s"] for r in mine],
            [r["predicted_per_second"] for r in llama], "tokens/s", True)


def llama_cpp(path, answer):
    """llama.cpp's own timings, in a process of its own."""
    program = f"""
import json, xllamacpp
params = xllamacpp.CommonParams()
params.model.path = {flags.model!r}
params.n_ctx, params.n_parallel, params.n_gpu_layers = 8192, 1, 0
params.cpuparams.n_threads, params.warmup, params.verbosity = {threads}, True, 0
got = xllamacpp.Server(params).handle_completions(
    {{"prompt": open({path!r}).read(), "max_tokens": {answer}, "temperature": 0, "ignore_eos": True, "timings_per_token": True}})
print("TIMINGS " + json.dumps(got["timings"]))
"""
    done = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    found = re.search(r"TIMINGS (.*)", done.stdout)
    if not found:
        sys.exit(f"llama.cpp:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return json.loads(found.group(1))


def loading():
    a, b = in_turns(lambda: run_scca("logits", "--model", folder, "--ids", "1,2,3,4,5", "--json")[2],
                    lambda: run_torch(kind="load"))
    row("from the files to first logits (without Python's imports)", a, [r["seconds"][0] for r in b], "s")


def tokenising():
    path = os.path.join(work, "text-10MB.txt")
    open(path, "w").write((book * (10_000_000 // len(book.encode()) + 1))[:10_000_000])
    a, b = in_turns(lambda: run_scca("tokenize", "--model", folder, "--file", path, "--bos", "off"),
                    lambda: run_torch(kind="tokenize", text=path))
    assert a[0][0].count(",") + 1 == b[0]["count"], "the two do not give as many tokens"
    row("tokenising 10 MB", [r[2] for r in a], [r["seconds"][0] for r in b], "s")


parts = {"step": steps, "eval": evaluation, "generate": generation, "load": loading, "tokenize": tokenising}
chosen = flags.parts.split(",")
if unknown := [name for name in chosen if name not in parts]:
    sys.exit(f"peer.py: --parts {unknown[0]}: expected some of {', '.join(parts)}")
if "step" in chosen:
    steps()
if rest := [name for name in parts if name in chosen and name != "step"]:
    print("\n| | scca | peer | ratio | |\n|---|--:|--:|--:|---|")
    for name in rest:
        parts[name]()
json.dump(figures, open(os.path.join(work, "peer.json"), "w"), indent=1)
sys.exit(1 if failed else 0)
