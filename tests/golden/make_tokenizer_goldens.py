"""Makes tests/golden/tokenizers: small tokenizers of each family, and what the `tokenizers` library makes of a few hundred texts.

Trained by `tokenizers` (0.23.3) on a demo book and the texts below; run again it writes the same bytes.
"""

import json
import pathlib
import random

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

HERE = pathlib.Path(__file__).resolve().parent
OUT = HERE / "tokenizers"
REPOSITORY = HERE.parents[1]

LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
QWEN2 = LLAMA3.replace("{1,3}", "")
BYTES = [f"<0x{b:02X}>" for b in range(256)]
PIECES = 420

WORDS = ["the whale", " the", "the  the", "Ishmael's", "ISHMAEL'S", "we'll'LL", "'ſ", "don’t", "1234567", " 12 345", "½Ⅷ²", "٣٤٥", "x=1;\n", "a\r\nb",
         "\r", "\n\n\n", "  \n  x", "\t\tif (x) {", " " * 9, "a" * 30, "e\u0301", "\u212b", "\u1100\u1161\u11a8", "q\u0323\u0307", "q\u0307\u0323",
         "\u0958", "\uf900", "naïve", "Привет мир", "שָׁלוֹם", "مرحبا", "नमस्ते", "你好，世界", "こんにちは", "สวัสดี", "😀", "👨‍👩‍👧", "🇩🇪", "\u00a0", "\u3000", "\u180e",
         "\u200b", "\u2028", "\u0085", "\ufeff", "\x00", "\x1b[0m", "\x7f", "▁", "▁the", "<0x41>", "<s>", "</s>", "<unk>", "<|endoftext|>", "<|end", "<tool>", " <tool> ", "a<tool>b",
         "<\u1ef1>", "<u\u031b\u0323>", "<wide>", " \n<wide>\t x", "<word>", "a<word>", "<word>b", "<word>.", "²<word>", "ⓐ<word>", "\u200d<word>", "<word><word>", "I", "\ufffd", "\U000e0041", "\U0010ffff",
         "𝒜𝓁𝓅𝒽𝒶", "ﬁn", "ß", "İ", "ǅ", "_", "-", "--", "!?", "…", "“quoted”", "$5.00", "C++20", "http://x.y/z?a=b&c", "café", "cafe\u0301", "\u0344", "\u1e9b\u0323"]


def texts():
    rng = random.Random(5)
    made = [""] + WORDS
    while len(made) < 300:
        made.append("".join(rng.choice(WORDS) + rng.choice(["", " ", "  ", "\n", ""]) for _ in range(rng.randint(2, 7))))
    return made


def corpus():
    book = sorted((REPOSITORY / "train" / "demo" / "books").rglob("*.txt"))[0]
    return book.read_text()[:300000].splitlines(keepends=True) + texts()


def train(tokenizer, **settings):
    tokenizer.train_from_iterator(corpus(), trainers.BpeTrainer(show_progress=False, **settings))
    return tokenizer


def byte_level(pre_tokenizer, normalizer=None, specials=("<|endoftext|>",)):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizer, decoders.ByteLevel()
    if normalizer:
        tokenizer.normalizer = normalizer
    train(tokenizer, vocab_size=PIECES, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), special_tokens=list(specials))
    return tokenizer


def split_then_bytes(regex):
    return pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(regex), "isolated"),
                                    pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


def gpt2():
    saved = json.loads(byte_level(pre_tokenizers.ByteLevel(add_prefix_space=False)).to_str())
    saved["model"]["merges"] = [" ".join(pair) for pair in saved["model"]["merges"]]  # as older files have them
    return saved, {"bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>", "unk_token": {"content": "<|endoftext|>"}}


def llama3():
    tokenizer = byte_level(split_then_bytes(LLAMA3), specials=())
    tokenizer.add_special_tokens(["<s>", "<|endoftext|>"])
    bos = tokenizer.token_to_id("<s>")
    tokenizer.post_processor = processors.Sequence(
        [processors.ByteLevel(trim_offsets=False),
         processors.TemplateProcessing(single="<s> $A", pair="<s> $A <s>:1 $B:1", special_tokens=[("<s>", bos)])])
    saved = json.loads(tokenizer.to_str())
    saved["model"]["ignore_merges"] = True
    # Pieces that no merge makes, so that ignore_merges is seen.
    saved["model"]["merges"] = [pair for pair in saved["model"]["merges"] if "".join(pair) not in ("Ġthe", "Ġwas", "ing")]
    return saved, {"bos_token": "<s>", "eos_token": "<|endoftext|>"}


def smollm2():
    return json.loads(byte_level(pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])).to_str()), {
            "bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>"}


def qwen2():
    tokenizer = byte_level(split_then_bytes(QWEN2), normalizers.NFC())
    tokenizer.add_tokens([AddedToken("<tool>", normalized=False), AddedToken("<u\u031b\u0323>", normalized=True),
                          AddedToken("<wide>", normalized=False, lstrip=True, rstrip=True),
                          AddedToken("<word>", normalized=False, single_word=True)])
    return json.loads(tokenizer.to_str()), {"bos_token": None, "eos_token": "<|endoftext|>", "add_bos_token": False}


def pieces_and_bytes(normalizer, pre_tokenizer, decoder):
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    if normalizer:
        tokenizer.normalizer = normalizer
    if pre_tokenizer:
        tokenizer.pre_tokenizer = pre_tokenizer
    else:  # words alone are learned, then found without the pre-tokenizer
        tokenizer.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")
    train(tokenizer, vocab_size=PIECES + 200, limit_alphabet=70, special_tokens=["<unk>", "<s>", "</s>", *BYTES])
    tokenizer.decoder = decoder
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", pair="<s> $A <s>:1 $B:1", special_tokens=[("<s>", 1)])
    saved = json.loads(tokenizer.to_str())
    saved["added_tokens"] = [t for t in saved["added_tokens"] if t["id"] < 3]
    if not pre_tokenizer:
        saved["pre_tokenizer"] = None
    return saved


def sentencepiece():
    saved = pieces_and_bytes(normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]), None,
                             decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(),
                                                decoders.Strip(" ", 1, 0)]))
    tokenizer = Tokenizer.from_str(json.dumps(saved))
    tokenizer.add_tokens([AddedToken("<tool>", normalized=True), AddedToken("<wide>", normalized=False, lstrip=True, rstrip=True)])
    return json.loads(tokenizer.to_str()), {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "add_bos_token": True}


def metaspace():
    saved = pieces_and_bytes(None, pre_tokenizers.Metaspace(prepend_scheme="first", split=True),
                             decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace(prepend_scheme="first")]))
    saved["model"]["byte_fallback"] = False  # so that characters without a piece become <unk>, a row of them one
    saved["decoder"] = saved["decoder"]["decoders"][1]
    return saved, {"bos_token": "<s>", "eos_token": "</s>"}


def splits():
    """What pre-tokenizers make of a text: of each behavior, both ways."""
    text = "--a--b- c 12٣½4\u2028x--"
    made = []
    for pattern in ("-", Regex(r"-+|\s"), Regex(r"\p{N}")):
        for behavior in ("removed", "isolated", "merged_with_previous", "merged_with_next", "contiguous"):
            for invert in (False, True):
                made.append(pre_tokenizers.Split(pattern, behavior, invert))
    made += [pre_tokenizers.Digits(individual_digits=False), pre_tokenizers.Digits(individual_digits=True)]
    made += [pre_tokenizers.Metaspace(prepend_scheme=scheme, split=split) for scheme in ("always", "first", "never") for split in (False, True)]
    for scheme in ("always", "first", "never"):
        made.append(pre_tokenizers.Sequence([pre_tokenizers.Split(" ", "merged_with_previous"), pre_tokenizers.Metaspace(prepend_scheme=scheme)]))
    cases = []
    for pre_tokenizer in made:
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizer
        for one in (text, "a", " ", "▁a b", "x-"):
            cases.append({"pre_tokenizer": json.loads(tokenizer.to_str())["pre_tokenizer"], "text": one,
                          "words": [word for word, _ in pre_tokenizer.pre_tokenize_str(one)]})
    return cases


def write(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n")


def main():
    write(OUT / "texts.json", texts())
    write(OUT / "splits.json", splits())
    for family in (gpt2, llama3, smollm2, qwen2, sentencepiece, metaspace):
        folder = OUT / family.__name__
        saved, config = family()
        write(folder / "tokenizer.json", saved)
        write(folder / "tokenizer_config.json", config)
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        ids = [tokenizer.encode(text, add_special_tokens=False).ids for text in texts()]
        tokenizer.encode_special_tokens = True
        plain = [tokenizer.encode(text, add_special_tokens=False).ids for text in texts()]
        tokenizer.encode_special_tokens = False
        write(folder / "ids.json", {
            "ids": ids, "plain": {str(i): one for i, one in enumerate(plain) if one != ids[i]}, "decoded": [tokenizer.decode(one, skip_special_tokens=True) for one in ids],
            "with_special": tokenizer.encode("a").ids, "vocab_size": tokenizer.get_vocab_size(),
            **{name: tokenizer.token_to_id(token["content"] if isinstance(token, dict) else token) if (token := config.get(name + "_token")) else -1
               for name in ("bos", "eos")}})


if __name__ == "__main__":
    main()
