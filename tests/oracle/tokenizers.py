"""Tokenizers of every kind that we read, made with the `tokenizers` library without a download, and
what that library makes of strings in many scripts.

    python tests/oracle/tokenizers.py FOLDER STRINGS [SEED]

writes FOLDER/NAME.json, a tokenizer.json, and FOLDER/NAME.cases with STRINGS lines each. A line is
six fields with tabs between them: a text in hex, its ids, its ids with special tokens, ids to decode,
what they decode to without special tokens in hex, and with them. "=" stands for what the field
before it has, in the fifth for the text. What is committed in tests/engine/files
was made with 30 strings and seed 1 by tokenizers 0.23.3.
"""

import json
import os
import random
import sys

# This file has the name of the library that it imports.
sys.path = [p for p in sys.path if os.path.abspath(p or ".") != os.path.dirname(os.path.abspath(__file__))]

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers  # noqa: E402
from tokenizers import pre_tokenizers, processors, trainers  # noqa: E402

LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
GPT4O = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+"
    r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
DEEPSEEK = (
    r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"
    r"| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)

SCRIPTS = [
    (0x20, 0x7E, 30),
    (0xA0, 0x24F, 6),
    (0x300, 0x36F, 4),
    (0x370, 0x52F, 4),
    (0x590, 0x6FF, 4),
    (0x900, 0xDFF, 5),
    (0xE00, 0xEFF, 3),
    (0x1100, 0x11FF, 3),
    (0x1E00, 0x1FFF, 3),
    (0x2000, 0x206F, 5),
    (0x20D0, 0x27BF, 3),
    (0x2F00, 0x30FF, 4),
    (0x4E00, 0x9FFF, 5),
    (0xAC00, 0xD7A3, 3),
    (0xF900, 0xFDFF, 3),
    (0xFE00, 0xFFEF, 4),
    (0x10000, 0x16FFF, 3),
    (0x1D400, 0x1D7FF, 2),
    (0x1F000, 0x1FAFF, 6),
    (0x20000, 0x323AF, 2),
    (0x1, 0x1F, 2),
    (0x1, 0x10FFFF, 2),
]
WORDS = (
    "the The THE quick brown fox's don't I'LL we're countdown 'S 12345 007 3.14 1,000 ½ Ⅷ ٣٤ 九 naïve "
    "café cafe\u0301 Ångström İstanbul straße ﬁne ｆｕｌｌ ﷺ наука Ελληνικά שלום עִבְרִית مرحبا بِسْمِ हिन्दी க்ஷ "
    "ไทย 한국어 ᄒ\u1161\u11ab 日本語 中文字符 👍🏽 👨‍👩‍👧‍👦 🇩🇪🇫🇷 ❤️ 1️⃣ ▁ ▁▁ <0x41> <s> </s> <unk> <|endoftext|> <|im_start|> "
    "[MASK] <pad> yesterday TODAY Node #1,2 53-22=31 ... --- !?! \" ' ` _a_b_ a\u200db \u180e \ufeff \ufffd é\u0323\u0307"
).split(" ")
SPACES = ["", "", " ", " ", " ", "  ", "   ", "\n", "\n\n", "\r\n", "\t", " \n ", "\u00a0", "\u2003", "\u3000", "\x85", "\x0b", "\u2028"]


def string(rng):
    """A string of words of many scripts, characters of their ranges and every kind of space."""
    out = []
    for _ in range(rng.choice([0, 1, 1, 2, 3, 5, 8, 13])):
        kind = rng.random()
        if kind < 0.5:
            out.append(rng.choice(WORDS))
        elif kind < 0.9:
            low, high, _ = rng.choices(SCRIPTS, [s[2] for s in SCRIPTS])[0]
            for _ in range(rng.randint(1, 6)):
                c = rng.randint(low, high)
                if not 0xD800 <= c < 0xE000:
                    out.append(chr(c))
        else:
            out.append(rng.choice(["0", "a", " ", "\u0301", "\0", "/"]) * rng.randint(1, 20))
        out.append(rng.choice(SPACES))
    return "".join(out)


def corpus():
    """Text to learn merges from: Countdown's language, some prose, and the words above."""
    rng = random.Random(7)
    lines = []
    for _ in range(300):
        a, b, c = (rng.randint(1, 99) for _ in range(3))
        lines.append(
            f"Current State: {a}:[{b}, {c}], Operations: []\nExploring Operation: {b}+{c}={b + c}, "
            f"Resulting Numbers: [{b + c}]\n{b + c},{a} unequal: No Solution\nMoving to Node #1,{c % 7}\n"
        )
    prose = (
        "It is what you don't know that we're after, and they'll say it's the same as I've said. "
        "A researcher writes a job file that names a task set, a model and several ways of reasoning; "
        "in the morning one file holds every sample, every thread's trace and every token count. "
    )
    lines += [prose * 20, " ".join(string(rng) for _ in range(600)), " ".join(WORDS * 10)]
    return [line.replace("\0", "") for line in lines]  # our JSON has no zero bytes in names


def train(tokenizer, size, special, alphabet=None, **more):
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=special, show_progress=False,
        initial_alphabet=alphabet or [], **more
    )
    tokenizer.train_from_iterator(corpus(), trainer)
    return tokenizer


def byte_level(pre, size=700, special=("<|endoftext|>",), normalizer=None, template=None, **more):
    t = Tokenizer(models.BPE(**more))
    t.pre_tokenizer = pre
    t.decoder = decoders.ByteLevel()
    if normalizer:
        t.normalizer = normalizer
    train(t, size, list(special), pre_tokenizers.ByteLevel.alphabet())
    if template:
        t.post_processor = processors.Sequence([
            processors.ByteLevel(trim_offsets=False),
            processors.TemplateProcessing(
                single=f"{template} $A", pair=f"{template} $A {template} $B",
                special_tokens=[(template, t.token_to_id(template))]),
        ])
    else:
        t.post_processor = processors.ByteLevel(trim_offsets=False)
    return t


def split(pattern, behavior="isolated", invert=False):
    return pre_tokenizers.Split(pattern, behavior, invert)


def llama2(metaspace):
    """SentencePiece's BPE with byte fallback, in the older spelling by normalisers and the newer."""
    pieces = [f"<0x{b:02X}>" for b in range(256)]
    t = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    t.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always", split=True)
    train(t, 1000, ["<unk>", "<s>", "</s>"] + pieces, limit_alphabet=120)
    state = json.loads(t.to_str())
    state["added_tokens"] = [a for a in state["added_tokens"] if not a["content"].startswith("<0x")]
    t = Tokenizer.from_str(json.dumps(state))
    if metaspace:
        t.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    else:
        t.pre_tokenizer = None
        t.normalizer = normalizers.Sequence(
            [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    t.decoder = decoders.Sequence([
        decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(),
        decoders.Strip(" ", 1, 0)])
    t.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", 1)])
    return t


def word_level(normalizer, pre, decoder, size=300):
    t = Tokenizer(models.WordLevel(unk_token="<unk>"))
    t.normalizer, t.pre_tokenizer = normalizer, pre
    if decoder:
        t.decoder = decoder
    t.train_from_iterator(corpus(), trainers.WordLevelTrainer(
        vocab_size=size, special_tokens=["<unk>", "<pad>"], show_progress=False))
    return t


def characters(pre, decoder=None, size=700, **model):
    """BPE over characters, cut by the pre-tokeniser only after it was learnt: cuts show in ids."""
    t = Tokenizer(models.BPE(unk_token="<unk>", **model))
    t.pre_tokenizer = pre_tokenizers.Metaspace(split=False, prepend_scheme="never")
    train(t, size, ["<unk>"], limit_alphabet=200)
    t.pre_tokenizer = pre
    if decoder:
        t.decoder = decoder
    return t


def make():
    bl = pre_tokenizers.ByteLevel
    seq = pre_tokenizers.Sequence
    some = {
        "gpt2": byte_level(bl(add_prefix_space=False)),
        "added": byte_level(bl(add_prefix_space=True), normalizer=normalizers.Sequence(
            [normalizers.NFKC(), normalizers.Lowercase()])),
        "llama3": byte_level(
            seq([split(Regex(LLAMA3)), bl(add_prefix_space=False, use_regex=False)]),
            special=["<s>", "</s>", "<|im_start|>"], template="<s>", ignore_merges=True),
        "qwen": byte_level(
            seq([split(Regex(QWEN)), bl(add_prefix_space=False, use_regex=False)]),
            special=["<|endoftext|>", "<|im_start|>"], normalizer=normalizers.NFC()),
        "gpt4o": byte_level(
            seq([split(Regex(GPT4O)), bl(add_prefix_space=False, use_regex=False)])),
        "deepseek": byte_level(
            seq([split(Regex(r"\p{N}{1,3}")), split(Regex("[一-龥぀-ゟ゠-ヿ]+")),
                 split(Regex(DEEPSEEK)), bl(add_prefix_space=False, use_regex=False)]),
            special=["<s>"], template="<s>"),
        "llama2": llama2(False),
        "mistral": llama2(True),
        "words": word_level(
            normalizers.Sequence([normalizers.NFKD(), normalizers.StripAccents(),
                                  normalizers.Lowercase(), normalizers.Strip()]),
            seq([pre_tokenizers.Whitespace(), pre_tokenizers.Digits(individual_digits=True)]), None),
        "spaces": word_level(
            normalizers.Sequence([normalizers.NFD(), normalizers.Strip(left=True, right=False),
                                  normalizers.Replace(Regex(r"\s+"), " ")]),
            seq([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation("merged_with_previous"),
                 pre_tokenizers.Digits(individual_digits=False)]), decoders.Fuse()),
        "metaspace": characters(pre_tokenizers.Metaspace(), decoders.Metaspace(), fuse_unk=True),
        "removed": characters(split(" ", "removed"), decoders.Sequence(
            [decoders.Replace(Regex("[aeiou]"), "*"), decoders.Strip("*", 0, 1)])),
        "previous": characters(split(Regex(r"[\s,.]"), "merged_with_previous"), byte_fallback=False),
        "next": characters(split(Regex(r"\p{Lu}|\s"), "merged_with_next"), decoders.Fuse()),
        "contiguous": characters(split(Regex(r"\w"), "contiguous"), fuse_unk=True),
        "inverted": characters(split(Regex(r"\d+|\p{Han}|\S(?=\s)"), "removed", True)),
        "empty_matches": characters(split(Regex(r"(?=[A-Z])|(?<=\d)"), "isolated")),
    }
    some["added"].add_tokens([
        AddedToken("yesterday", single_word=True), AddedToken("TODAY", normalized=True),
        AddedToken("Node", normalized=False, lstrip=True), AddedToken("cafe\u0301", rstrip=True)])
    some["added"].add_special_tokens([
        AddedToken("[MASK]", lstrip=True, rstrip=True, special=True), AddedToken("<pad>", special=True),
        AddedToken("[MASK]2", special=True), AddedToken("<S>", special=True, normalized=True)])
    return some


def main():
    folder, count = sys.argv[1], int(sys.argv[2])
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    os.makedirs(folder, exist_ok=True)
    for name, t in make().items():
        state = json.loads(t.to_str())
        with open(f"{folder}/{name}.json", "w") as file:
            json.dump(state, file, ensure_ascii=False, separators=(",", ":"))
        rng = random.Random(f"{seed} {name}")
        with open(f"{folder}/{name}.cases", "w") as file:
            for _ in range(count):
                text = string(rng)
                if rng.random() < 0.1:  # ids that no text has: halves of characters and the like
                    ids = [rng.randrange(t.get_vocab_size()) for _ in range(rng.randint(0, 12))]
                    text = t.decode(ids, skip_special_tokens=False)
                ids = t.encode(text, add_special_tokens=False).ids
                special = t.encode(text).ids
                chosen = special if rng.random() < 0.7 else [
                    rng.randrange(t.get_vocab_size()) for _ in range(rng.randint(0, 12))]
                fields = [text.encode().hex(), " ".join(map(str, ids)), " ".join(map(str, special)),
                          " ".join(map(str, chosen)), t.decode(chosen).encode().hex(),
                          t.decode(chosen, skip_special_tokens=False).encode().hex()]
                short = [fields[0], fields[1], "=" if special == ids else fields[2],
                         "=" if chosen == special else fields[3],
                         "=" if fields[4] == fields[0] else fields[4],
                         "=" if fields[5] == fields[4] else fields[5]]
                file.write("\t".join(short) + "\n")


main()
