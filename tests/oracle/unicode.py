"""Characters that the `tokenizers` library and we know from different versions of Unicode.

    python3.11 tests/oracle/unicode.py

prints the tables of engine/tokenizer_unicode.c but for what came with Unicode 15, which Python
does not know: marks (10EFD-10EFF, 11241, 11F00-11F42, 13440-13455, 1E08F, 1E4EC-1E4EF, CF3) and a
row of decompositions (1E030-1E06D). Python 3.11 has Unicode 14, as PCRE2 10.42 has;
what the library's patterns, sets and normalisers do is asked of the library, character by character.
"""

import os
import sys
import unicodedata

sys.path = [p for p in sys.path if os.path.abspath(p or ".") != os.path.dirname(os.path.abspath(__file__))]

from tokenizers import Regex, normalizers, pre_tokenizers  # noqa: E402

EVERY = [chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000]
CATEGORIES = "Lu Ll Lt Lm Lo Mn Mc Me Nd Nl No Pc Pd Ps Pe Pi Pf Po Sm Sc Sk So Zs".split()


def removed(splitter):
    """The characters that a pre-tokeniser takes away."""
    left = set()
    for i in range(0, len(EVERY), 65536):
        for word, _ in splitter.pre_tokenize_str("".join(EVERY[i : i + 65536])):
            left.update(word)
    return [c for c in EVERY if c not in left]


def ranges(points):
    out = []
    for point in sorted(points):
        if out and out[-1][1] == point - 1:
            out[-1][1] = point
        else:
            out.append([point, point])
    return out


def show(name, rows):
    print(name)
    for row in rows:
        print("    {" + ", ".join(f'"{x}"' if isinstance(x, str) else hex(x) for x in row) + "},")


def main():
    newer, punctuation = [], []
    for category in CATEGORIES:
        points = removed(pre_tokenizers.Split(Regex(r"\p{%s}" % category), "removed"))
        newer += [(a, b, category) for a, b in ranges(
            ord(c) for c in points if unicodedata.category(c) != category)]
        punctuation += points if category[0] == "P" else []
    show("newer", sorted(newer))
    known = set(removed(pre_tokenizers.Punctuation("removed")))
    show("late punctuation", ranges(ord(c) for c in punctuation if c not in known))
    strip = normalizers.StripAccents()
    show("late marks", ranges(
        ord(c) for c in EVERY if unicodedata.category(c)[0] == "M" and strip.normalize_str(c) == c))
    lower = normalizers.Lowercase()
    steps = {ord(c): ord(lower.normalize_str(c)) for c in EVERY
             if unicodedata.category(c) == "Cn" and lower.normalize_str(c) != c}
    steps = {c: to - c for c, to in steps.items()}
    for step in sorted(set(steps.values())):
        show("newer capitals", [(a, b, step) for a, b in ranges(c for c in steps if steps[c] == step)])
    for form in ("NFD", "NFKD"):
        normalizer = getattr(normalizers, form)()
        show(f"decompositions that are not done, {form}", ranges(
            ord(c) for c in EVERY
            if unicodedata.normalize(form, c) != c and normalizer.normalize_str(c) == c))


main()
