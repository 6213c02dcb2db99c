"""Whether training sees what the engine computes: of stored samples whose workers read each other, the log-probability that the
engine found for each token it sampled, beside that of the replay of the whole sample. The run is one of compute fp32 at
temperature 1 that keeps log-probabilities (docs/jobs.md: engine, record).

    nightjar export traces --db nightjar.db --format jsonl | python check_replay.py --model models/countdown

Prints for each layout and number of workers the samples, the tokens and the largest difference; ends with 1 where one is above
--most.
"""
import argparse
import collections
import json
import os
import sys

import numpy
import torch
from safetensors.torch import load_file
from torch.nn import functional
from tokenizers import Tokenizer

import replay
from model import Config, Model


def steps_of(thread, headers):
    """What all see, and the worker's steps: (fed, sampled) each. headers: how many stretches all see behind the prompt."""
    shared, steps, fed = [], [], []
    for kind, start, count, *_ in thread["layout"]:
        ids = thread["ids"][start:start + count]
        if kind == "prompt" or (kind == "fed" and len(shared) <= headers):
            shared.append(ids)
        elif kind == "generated" and steps and not fed:
            steps[-1][1].extend(ids)
        elif kind == "generated":
            steps.append((fed, ids))
            fed = []
        elif kind == "fed":
            fed = ids
    return shared, steps


def layout_of(thread):
    """By what a worker reads before it reads itself: others, and words behind the prompt."""
    kinds = [kind for kind, *_ in thread["layout"]]
    if "worker" not in kinds:
        return "independent", 0
    headers = kinds[:len(kinds) - kinds[::-1].index("worker")].count("fed")
    return ("interleaved", "contiguous", "combined")[headers], headers


def read(lines):
    """(layout, sample, log-probabilities of each worker), until a worker had done a step and had no room for another: the replay
    knows a step to be done by the next one."""
    samples = collections.OrderedDict()
    for line in lines:
        thread = json.loads(line)
        if thread["role"] == "worker":
            samples.setdefault(thread["sample"], []).append(thread)
    for threads in samples.values():
        threads.sort(key=lambda t: int(t["thread"]))
        layout, headers = layout_of(threads[0])
        shared, work = zip(*(steps_of(t, headers) for t in threads))
        if layout == "independent":  # prompts end with names, and what a worker samples first stands behind a token of its own
            prompts = [prompt for prompt, in shared]
            alike = len(os.path.commonprefix(prompts)) - all(p == prompts[0] for p in prompts)
            work = [[(p[alike:] + steps[0][0], steps[0][1]), *steps[1:]] for p, steps in zip(prompts, work)]
            shared = [[prompts[0][:alike]]]
        words = {"combined": shared[0][1:], "contiguous": [[], *shared[0][1:]]}.get(layout, [[], []])
        sample = replay.pack(layout, len(threads), shared[0][0], *words, work)
        end = min((t["layout"][-1][5] for t in threads if t["layout"][-1][0] == "commit"), default=1 + int(sample.time[-1]))
        yield layout, sample.before(end), [t["logprobs"][:end] for t in threads]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", required=True)
    parser.add_argument("--most", type=float, default=1e-4)
    a = parser.parse_args()
    tokenizer, found = Tokenizer.from_file(f"{a.model}/tokenizer.json"), collections.OrderedDict()
    model = Model(Config(), [tokenizer.token_to_id(str(n)) for n in range(1000)])
    model.load(load_file(f"{a.model}/model.safetensors"))
    with torch.no_grad():
        for layout, sample, said in read(sys.stdin):
            table = model.table()
            hidden = model(torch.from_numpy(sample.token)[None], table, replay.attention([sample]))[0]
            targets = torch.from_numpy(sample.target)
            replayed = -functional.cross_entropy(functional.linear(hidden, table), targets.clamp(min=0), reduction="none")
            line = found.setdefault((layout, sample.workers), [0, 0, 0.0])
            line[0] += 1
            for worker, logprobs in enumerate(said):
                rows = torch.from_numpy((sample.worker == worker) & (sample.target >= 0))
                if int(rows.sum()) != len(logprobs):
                    raise SystemExit(f"{len(logprobs)} tokens were sampled, and {int(rows.sum())} are replayed")
                line[1] += len(logprobs)
                line[2] = numpy.maximum(line[2], float((replayed[rows] - torch.tensor(logprobs)).abs().max()))  # of a NaN NaN
    for (layout, workers), (samples, tokens, most) in found.items():
        print(f"{layout:12} {workers} workers  {samples:5} samples  {tokens:8} tokens  {most:.2e}")
    return not all(most <= a.most for *_, most in found.values())


if __name__ == "__main__":
    sys.exit(main())
