"""Training data of the model that ships, from the searches of `nightjar demonstrate`: tokens, and which of them count.

    python data.py --nightjar build/nightjar --tokenizer models/countdown/tokenizer.json --problems 60000 --seed 1 \
                   --order enumeration -o data/

One problem gives an SoS+ search, an APR parent in as many turns as it has, its children, and the APR search written in one
context; all of the train partition. A token counts where it was generated and is new in its sequence: prompts, what earlier
turns wrote, and joined blocks are context. Arithmetic lines stand for a tenth of what counts. --gangs adds so many searches by
workers that read each other for each layout and each of one, two and three workers.

Writes DIR/tokens.npy (uint16, all sequences in one row), DIR/counts.npy (uint8, 1 where a token counts) and DIR/index.npy
(int64 [sequences, 3]: first token, tokens, protocol), and DIR/data.json, which says what is in them. Of searches by workers
DIR/gangs.npy (int16 [5, rows]: token, target, forward, worker, step, as replay.py has them) and DIR/gangs-index.npy
(int64 [searches, 4]: first row, rows, layout, workers).
"""
import argparse
import itertools
import json
import os
import random
import re
import subprocess

import numpy
from tokenizers import Tokenizer

import replay

PROTOCOLS = ["sosp", "apr", "apr-child", "apr-serial", "arithmetic", "hogwild"]
SHARES = [0.20, 0.20, 0.25, 0.25, 0.10, 0.0]  # of the tokens that count
LAYOUTS, WORKERS = ["combined", "interleaved", "contiguous", "independent"], [1, 2, 3]
PAST, OTHERS, OWN = "\n### Past steps\n\n", "### Work in progress (others)\n\n", "<...>\n\n### Work in progress (own)\n\n"
UNLABELLED = 0.3


def label_of(record, rng):
    """The published labels, left out for a part so that the model works without."""
    if rng.random() < UNLABELLED:
        return ""
    if record["search"] == "sosp":
        return f"Token Budget: {-(-record['tokens_ref'] // 512) * 512} "
    if record["search"] == "apr" and record["path"] == "0":
        return f"Sub Call Budget: {record['children']} "
    return ""


def protocol_of(record):
    if record["search"] == "apr" and record["path"] != "0":
        return "apr-child"
    return record["search"]


def operation(rng, numbers):
    """A legal operation on two of the numbers, its text up to the equals sign, its result, and the numbers it leaves."""
    a, b = sorted(rng.sample(range(len(numbers)), 2))
    x, y = numbers[a], numbers[b]
    big, small = max(x, y), min(x, y)
    legal = [(x, "+", y, x + y), (x, "*", y, x * y), (big, "-", small, big - small)]
    if small and big % small == 0:
        legal.append((big, "/", small, big // small))
    x, sign, y, result = rng.choice(legal)
    return f"{x}{sign}{y}=", result, [n for i, n in enumerate(numbers) if i not in (a, b)] + [result]


def arithmetic(rng):
    """Operations alone: as lines of a search, and half of the texts bare, where products are most frequent, since a search
    shows few of each. Only what follows from the operands counts."""
    text, spans, bare = "", [], rng.random() < 0.5
    for _ in range(rng.randint(12, 36)):
        if bare and rng.random() < 0.6:
            x, y = rng.randint(2, 99), rng.randint(2, 99)
            asked, shown = f"{x}*{y}=", str(x * y)
        elif bare:
            asked, result, _ = operation(rng, [rng.randint(1, rng.choice((99, 99, 999))), rng.randint(1, 99)])
            shown = str(result)
        else:
            asked, result, rest = operation(rng, [rng.randint(1, 99) for _ in range(rng.randint(2, 4))])
            asked, shown = "Exploring Operation: " + asked, f"{result}, Resulting Numbers: [{', '.join(map(str, rest))}]"
        spans.append(["generated", len(text) + len(asked), len(shown) + 1])
        text += asked + shown + "\n"
    return text, spans


class Writer:
    def __init__(self, tokenizer, context):
        self.tokenizer, self.context = tokenizer, context
        self.begin, self.end = tokenizer.token_to_id("<s>"), tokenizer.token_to_id("</s>")
        self.tokens, self.counts, self.index, self.at = [], [], [], 0
        self.cut = {p: 0 for p in PROTOCOLS}
        self.counted = {p: 0 for p in PROTOCOLS}
        self.sequences = {p: 0 for p in PROTOCOLS}

    def add(self, protocol, text, spans, label):
        """spans: [kind, start, bytes] of text, which is ASCII; the label is put before it."""
        encoded = self.tokenizer.encode(label + text, add_special_tokens=False)
        generated = numpy.zeros(len(label) + len(text) + 1, dtype=numpy.uint8)
        for kind, start, count in spans:
            if kind == "generated":
                generated[len(label) + start:len(label) + start + count] = 1
        ids = [self.begin] + encoded.ids
        counts = [0] + [int(generated[at]) for at, _ in encoded.offsets]
        newline = self.tokenizer.token_to_id("\n")
        if len(ids) + 1 > self.context:  # ends at a line, without an end of sequence
            ends = {newline, self.tokenizer.token_to_id("]\n")}
            at = self.context
            while at > 1 and ids[at - 1] not in ends:
                at -= 1
            ids, counts = ids[:at], counts[:at]
            self.cut[protocol] += 1
        else:
            ids.append(self.end)
            counts.append(1)
        if not any(counts):  # a parent whose context was full when its children returned
            return
        self.tokens.append(numpy.array(ids, dtype=numpy.uint16))
        self.counts.append(numpy.array(counts, dtype=numpy.uint8))
        self.index.append((self.at, len(ids), PROTOCOLS.index(protocol)))
        self.at += len(ids)
        self.counted[protocol] += sum(counts)
        self.sequences[protocol] += 1


class Gangs:
    """Searches by workers that read each other, whose times are those of the tokenizer."""

    def __init__(self, tokenizer):
        self.encode = lambda words: tokenizer.encode(words, add_special_tokens=False).ids
        self.begin, self.end = tokenizer.token_to_id("<s>"), tokenizer.token_to_id("</s>")
        self.rows, self.index, self.at = [], [], 0

    def sampled(self, step, is_end):
        """Line by line, so that the blank line that ends a step is a token of its own. A worker that is stopped may have written
        the first digits of a number that is written digit by digit."""
        ids = [i for line in step["text"].splitlines(keepends=True) for i in self.encode(line)]
        if len(ids) < step["tokens"]:
            head, digits = re.fullmatch(r"(.*?)(\d*)", step["text"], re.DOTALL).groups()
            ids = [i for line in [*head.splitlines(keepends=True), *digits] for i in self.encode(line)]
        if len(ids) != step["tokens"]:
            raise SystemExit(f"{len(ids)} tokens where the search counted {step['tokens']}: {step['text']!r}")
        return ids + [self.end] * is_end

    def add(self, record):
        layout, workers = record["layout"], record["workers"]
        work = [[(self.encode(step["prefix"]), self.sampled(step, ended and step is steps[-1])) for step in steps]
                for steps, ended in zip(record["work"], record["ended"])]
        steps = layout in replay.WITH_STEPS
        sample = replay.pack(layout, workers, [self.begin] + self.encode(record["prompt"] + PAST * steps),
                             self.encode(OTHERS) if layout == "combined" else [],
                             self.encode(OWN) if layout in ("combined", "contiguous") else [], work)
        if steps:
            full = [sum(step["tokens"] for step in all_of) for all_of, ended in zip(record["work"], record["ended"])
                    if all_of and all_of[-1]["done"] and not ended]
            sample = sample.before(min(full, default=sample.time[-1] + 1))
        self.rows.append(numpy.stack([sample.token, sample.target, sample.time, sample.worker, sample.step]).astype(numpy.int16))
        self.index.append((self.at, len(sample), LAYOUTS.index(layout), workers))
        self.at += len(sample)

    def save(self, folder):
        numpy.save(os.path.join(folder, "gangs.npy"), numpy.concatenate(self.rows, axis=1))
        numpy.save(os.path.join(folder, "gangs-index.npy"), numpy.array(self.index, dtype=numpy.int64))


def demonstrate(arguments, search, count, seed, more=()):
    command = [arguments.nightjar, "demonstrate", "countdown", "--search", search, "--count", str(count),
               "--seed", str(seed), "--order", arguments.order, *more, "-o", "-"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        for line in process.stdout:
            yield json.loads(line)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)}: exit {process.returncode}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nightjar", required=True)
    parser.add_argument("--tokenizer", required=True)
    parser.add_argument("--problems", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--order", default="enumeration", choices=["shuffled", "heuristic", "enumeration"])
    parser.add_argument("--gangs", type=int, default=0, help="searches by workers for each layout and number of them")
    parser.add_argument("--context", type=int, default=4096, help="tokens of the longest sequence that is kept whole")
    parser.add_argument("-o", "--output", required=True)
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    writer = Writer(Tokenizer.from_file(arguments.tokenizer), arguments.context)
    for search in ("sosp", "apr", "apr-serial"):
        for record in demonstrate(arguments, search, arguments.problems, arguments.seed):
            label = label_of(record, rng)
            writer.add(protocol_of(record), record["text"], record["spans"], label)
    share = SHARES[PROTOCOLS.index("arithmetic")]
    wanted = sum(writer.counted.values()) * share / (1 - share)
    while writer.counted["arithmetic"] < wanted:
        writer.add("arithmetic", *arithmetic(rng), "")
    os.makedirs(arguments.output, exist_ok=True)
    gangs = Gangs(writer.tokenizer)
    for n, (layout, workers) in enumerate(itertools.product(LAYOUTS, WORKERS) if arguments.gangs else ()):
        more = ["--layout", layout, "--workers", str(workers), "--tokenizer", arguments.tokenizer, "--context", str(arguments.context)]
        for record in demonstrate(arguments, "hogwild", arguments.gangs, 100 * arguments.seed + n, more):
            gangs.add(record)
    if gangs.at:
        gangs.save(arguments.output)
    numpy.save(os.path.join(arguments.output, "tokens.npy"), numpy.concatenate(writer.tokens))
    numpy.save(os.path.join(arguments.output, "counts.npy"), numpy.concatenate(writer.counts))
    numpy.save(os.path.join(arguments.output, "index.npy"), numpy.array(writer.index, dtype=numpy.int64))
    said = {p: dict(sequences=writer.sequences[p], counted=writer.counted[p],
                    cut=writer.cut[p] / max(1, writer.sequences[p])) for p in PROTOCOLS}
    with open(os.path.join(arguments.output, "data.json"), "w", encoding="utf-8") as file:
        json.dump(dict(problems=arguments.problems, seed=arguments.seed, order=arguments.order,
                       context=arguments.context, tokens=writer.at, protocols=said), file, indent=1)
    print(json.dumps(said, indent=1))


if __name__ == "__main__":
    main()
