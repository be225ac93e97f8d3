"""scca's ids against those of the `tokenizers` library: python tests/interop/tokenizer_ids.py SCCA_BINARY WORKDIR

WORKDIR gets a folder per tokenizer and per text, and may hold more to compare with: any WORKDIR/given/NAME/tokenizer.json
(and tokenizer_config.json) is taken as well. Where tests/golden/tokenizers lies in the checkout, its small tokenizers are
always compared. Exits 1 when an id differs. Bytes that are no UTF-8 become U+FFFD, one each, before the library sees them: that is what
scca does itself. Needs `tokenizers` (tried with 0.23.3) and no network.
"""

import codecs
import json
import os
import pathlib
import random
import subprocess
import sys

sys.path.remove(str(pathlib.Path(__file__).resolve().parent))  # where this file would be taken for the library
from tokenizers import Tokenizer  # noqa: E402

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
BOOKS = REPOSITORY / "train" / "demo" / "books"
MEGABYTE = 1 << 20

codecs.register_error("each_byte", lambda e: ("\ufffd" * (e.end - e.start), e.end))


def as_text(data):
    return data.decode("utf-8", "each_byte")


def code_text():
    names = sorted(p for folder in ("core", "ops", "nn", "models", "train", "tests")
                   for p in (REPOSITORY / folder).rglob("*") if p.suffix in (".cpp", ".h", ".cu", ".md", ".py", ".sh"))
    return b"".join(p.read_bytes() for p in names)


def book_text():
    return b"".join(p.read_bytes() for p in sorted(BOOKS.rglob("*.txt")))


SCRIPTS = [(0x20, 0x7e)] * 6 + [
    (0xa0, 0x24f), (0x250, 0x2ff), (0x300, 0x36f), (0x370, 0x3ff), (0x400, 0x4ff), (0x530, 0x58f), (0x590, 0x5ff),
    (0x600, 0x6ff), (0x700, 0x74f), (0x900, 0x97f), (0x980, 0x9ff), (0xe00, 0xe7f), (0xf00, 0xfff), (0x1000, 0x109f),
    (0x10a0, 0x10ff), (0x1100, 0x11ff), (0x1200, 0x137f), (0x13a0, 0x13ff), (0x1680, 0x169f), (0x1780, 0x17ff),
    (0x1800, 0x18af), (0x1e00, 0x1fff), (0x2000, 0x206f), (0x2070, 0x209f), (0x20a0, 0x20bf), (0x2100, 0x218b),
    (0x2190, 0x23ff), (0x2460, 0x24ff), (0x2600, 0x27bf), (0x3000, 0x303f), (0x3040, 0x30ff), (0x3130, 0x318f),
    (0x4e00, 0x9fff), (0xa000, 0xa48c), (0xac00, 0xd7a3), (0xf900, 0xfad9), (0xfb00, 0xfb4f), (0xfe00, 0xfe0f),
    (0xff01, 0xff9f), (0x10000, 0x100fa), (0x10300, 0x1032f), (0x1d400, 0x1d7ff), (0x1f300, 0x1f64f), (0x1f900, 0x1f9ff),
    (0x20000, 0x2a6d6), (0xe0000, 0xe007f), (0xf0000, 0xf00ff)]
SPACES = [" ", "  ", " " * 7, "\n", "\r\n", "\r", "\n\n\n", "\t", "\t\t ", "\u00a0", "\u2003", "\u3000", "\u200b", "\u200d",
          "\u2028", "\u0085", "\u180e", "\ufeff", "\x01", "\x1b", "\x7f", "'s", "'S", "'ll", "\u2019s", "'\u017f", "<", "\u2581",
          "\U0001f468\u200d\U0001f469\u200d\U0001f467", "\U0001f1e9\U0001f1ea", "e\u0301", "\u1100\u1161\u11a8",
          "\u05d0\u05b0", "\u202e", "12345", "\u00bd", "\u2167", "\u0663", "a" * 40]


def mixed_text(size, seed=1):
    rng = random.Random(seed)
    parts, length = [], 0
    while length < size:
        low, high = rng.choice(SCRIPTS)
        word = "".join(chr(rng.randint(low, high)) for _ in range(rng.randint(1, 9)))
        word = "".join(c for c in word if not 0xd800 <= ord(c) <= 0xdfff)
        parts.append(word)
        if rng.random() < 0.8:
            parts.append(rng.choice(SPACES))
        length += len(parts[-1].encode()) + len(word.encode())
    return "".join(parts)


def random_strings(count, seed=2):
    rng = random.Random(seed)
    return [rng.randbytes(rng.randint(0, 40)).replace(b"\0", b"\1").decode(errors="replace").encode() for _ in range(count)]


def argument_chunks(pieces, limit=100000):
    """Texts short enough for an argument, in which control characters are taken; none may begin with a byte-order mark."""
    chunk = b"a"
    for piece in pieces:
        if len(chunk) + len(piece) > limit:
            yield chunk
            chunk = b"a"
        chunk += piece
    yield chunk


def run_scca(binary, folder, arguments):
    out = subprocess.run([binary, "tokenize", "--model", str(folder), "--keep-line-ends", "--json", *arguments], capture_output=True)
    if out.returncode:
        raise SystemExit(f"{folder}: {out.stderr.decode(errors='replace')}")
    return json.loads(out.stdout)["ids"]


def difference(tokenizer, text, ours, theirs):
    """Where the ids part, with the text there."""
    encoding = tokenizer.encode(text, add_special_tokens=False)
    at = next(i for i in range(max(len(ours), len(theirs))) if ours[i:i + 1] != theirs[i:i + 1])
    begin, end = (encoding.offsets[min(at, len(theirs) - 1)])
    around = text[max(0, begin - 4):end + 4]
    return f"id {at}: {ours[at:at + 4]} for {theirs[at:at + 4]} around {ascii(around)}"


def separator(tokenizer):
    """A special token that keeps texts apart."""
    for token in tokenizer.get_added_tokens_decoder().values():
        if token.special and not token.normalized and not (token.lstrip or token.rstrip or token.single_word):
            return token.content
    return None


def compare(binary, folder, texts, table):
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    apart = separator(tokenizer)
    runs = [(name, data, ["--file", str(path)]) for name, data, path in texts]
    runs += [("mixed", data, ["--text", data]) for data in argument_chunks([c.encode() for c in mixed_text(MEGABYTE)])]
    if apart:
        strings = [apart.encode() + s for s in random_strings(100000)]
        runs += [("random", data, ["--text", data]) for data in argument_chunks(strings)]
    bad, rows = 0, {}
    for name, data, arguments in runs:
        text = as_text(data)
        theirs = tokenizer.encode(text, add_special_tokens=False).ids
        ours = run_scca(binary, folder, arguments)
        row = rows.setdefault(name, [0, 0, "equal"])
        row[0] += len(data)
        row[1] += len(theirs)
        if ours != theirs and row[2] == "equal":
            row[2] = difference(tokenizer, text, ours, theirs)
            bad += 1
    for name, row in rows.items():
        table.append((folder.name, name, *row))
        print("%-24s %-8s %9d bytes %9d ids  %s" % table[-1], flush=True)
    return bad


def character_differences(binary, folder):
    """Characters that the two classify or compose differently, which may be where their Unicode versions part."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    apart = separator(tokenizer)
    mark = tokenizer.token_to_id(apart)
    characters = [chr(c) for c in range(1, 0x110000) if not 0xd800 <= c <= 0xdfff]
    different = []
    for begin in range(0, len(characters), 2500):
        some = characters[begin:begin + 2500]
        text = "a" + "".join(f"{apart}b{c}b1{c}1 {c}\u0301{c}!" for c in some)

        def parts(ids):
            made = [[]]
            for i in ids:
                made.append([]) if i == mark else made[-1].append(i)
            return made[1:]

        ours = parts(run_scca(binary, folder, ["--text", text.encode()]))
        theirs = parts(tokenizer.encode(text, add_special_tokens=False).ids)
        different += [c for c, a, b in zip(some, ours, theirs) if a != b]
    return different


def ranges(characters):
    spans = []
    for code in map(ord, characters):
        if spans and spans[-1][1] == code - 1:
            spans[-1][1] = code
        else:
            spans.append([code, code])
    return ", ".join(f"U+{a:04X}" + (f" to U+{b:04X}" if b > a else "") for a, b in spans)


def main():
    binary, work = sys.argv[1], pathlib.Path(sys.argv[2])
    work.mkdir(parents=True, exist_ok=True)
    texts = []
    for name, data in (("book", book_text()[:MEGABYTE]), ("code", code_text()[:MEGABYTE])):
        path = work / (name + ".txt")
        path.write_bytes(data)
        texts.append((name, data, path))
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    folders = [p.parent for root in (REPOSITORY / "tests" / "golden" / "tokenizers", work / "given")
               for p in sorted(root.glob("*/tokenizer.json"))]
    if not folders:
        raise SystemExit("no tokenizer.json to compare")
    table = []
    bad = sum(compare(binary, folder, texts, table) for folder in folders)
    print(f"{len(table)} comparisons, {bad} differ")
    for folder in folders:
        if folder.name == "qwen2":  # it has both classes and form C; a few minutes
            different = character_differences(binary, folder)
            print(f"{folder.name}: of all characters {len(different)} differ (Unicode versions): {ranges(different)}")
    return bad > 0


if __name__ == "__main__":
    sys.exit(main())
