"""The tokenizer of the model that ships: the fixed phrases of Countdown traces and the integers 0 to 999 as whole tokens,
larger numbers digit by digit, any other text byte by byte. Texts are written as they stand: no space is added or taken.

    python tokenizer.py -o models/countdown/tokenizer.json

Phrases never reach over the end of a prompt (`], Operations: []` and the newline behind it are two tokens), so that a prompt
is tokenised as it was in training. The vocabulary is frozen: ids are data.
"""
import argparse
import json

BEGIN, END, PAD = "<s>", "</s>", "<pad>"
PHRASES = [
    "\n", ", ", "'", "']", "', '", ":[", "]", "]\n",
    "Current State: ", "], Operations: [", "], Operations: []", "], Operations: ['",
    "Exploring Operation: ", ", Resulting Numbers: [", "Generated Node #", ": ", "] Operation: ", "Moving to Node #",
    " unequal: No Solution\n", " equal: Goal Reached\n", "No solution found.", "No solution found in sub search\n",
    "Start Sub Search at level ", ": Moving to Node #", "Exit Sub Search at level ",
    "<Calling Sub Searches>\n", "<Start Sub Search ", " at level 1> Moving to Node #", "<End Calling Sub Searches>",
    "<Sub Searches>\n", "<Goal Reached in Sub Search ", "<No Solution in Sub Search ", " at level 1 at Node #", ">\n",
    "<End Sub Searches>\n", "Token Budget: ", "Sub Call Budget: ",
]
WORKERS = [f"W{i}/{n}" for n in (2, 3, 4) for i in range(1, n + 1)]
HEADERS = ["### Past steps\n\n", "### Work in progress (others)\n\n", "### Work in progress (own)\n\n", "<...>\n\n", "\n\n"]
SPARE = ["W1/1"] + [f"<|spare_{i}|>" for i in range(1, 64)]  # where a name is needed later, it takes a spare's place


def byte_letters():
    """The letters that byte-level tokenizers write bytes with (GPT-2's table)."""
    plain = list(range(ord("!"), ord("~") + 1)) + list(range(0xA1, 0xAD)) + list(range(0xAE, 0x100))
    letters, moved = {}, 0
    for b in range(256):
        letters[b] = chr(b) if b in plain else chr(256 + moved)
        moved += b not in plain
    return letters


def build():
    vocabulary, merges = {}, []
    for name in (PAD, BEGIN, END):
        vocabulary[name] = len(vocabulary)
    for letter in byte_letters().values():
        vocabulary[letter] = len(vocabulary)
    for n in range(10, 1000):  # 1 and 2 give 12, 12 and 3 give 123
        merges.append([str(n)[:-1], str(n)[-1]])
        vocabulary[str(n)] = len(vocabulary)
    added = [dict(id=vocabulary[name], content=name, special=True) for name in (PAD, BEGIN, END)]
    for phrase in PHRASES + WORKERS + HEADERS + SPARE:
        if phrase in vocabulary:  # one byte: the byte's own token
            continue
        added.append(dict(id=len(vocabulary) + sum(a["id"] >= len(vocabulary) for a in added), content=phrase,
                          special=False))
    flags = dict(single_word=False, lstrip=False, rstrip=False, normalized=False)
    number = r"(?<![0-9])[1-9][0-9]{1,2}(?![0-9])|[\s\S]"
    return dict(
        version="1.0", truncation=None, padding=None,
        added_tokens=[{**a, **flags} for a in added],
        normalizer=None,
        pre_tokenizer=dict(type="Sequence", pretokenizers=[
            dict(type="Split", pattern=dict(Regex=number), behavior="Isolated", invert=False),
            dict(type="ByteLevel", add_prefix_space=False, trim_offsets=True, use_regex=False)]),
        post_processor=dict(type="TemplateProcessing",
                            single=[dict(SpecialToken=dict(id=BEGIN, type_id=0)), dict(Sequence=dict(id="A", type_id=0))],
                            pair=[dict(Sequence=dict(id="A", type_id=0)), dict(Sequence=dict(id="B", type_id=1))],
                            special_tokens={BEGIN: dict(id=BEGIN, ids=[vocabulary[BEGIN]], tokens=[BEGIN])}),
        decoder=dict(type="ByteLevel", add_prefix_space=True, trim_offsets=True, use_regex=True),
        model=dict(type="BPE", dropout=None, unk_token=None, continuing_subword_prefix=None, end_of_word_suffix=None,
                   fuse_unk=False, byte_fallback=False, ignore_merges=False, vocab=vocabulary, merges=merges))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", required=True)
    arguments = parser.parse_args()
    with open(arguments.output, "w", encoding="utf-8") as file:
        json.dump(build(), file, ensure_ascii=False, indent=1)
        file.write("\n")


if __name__ == "__main__":
    main()
