"""Which operations a model gets wrong, given the right text before them: by protocol, by sign, and by whether the result is
above 999, where it is written digit by digit.

    python operations.py --weights run/last.pt --data held-out/ --tokenizer tokenizer.json
"""
import argparse
import collections

import numpy
import torch
from tokenizers import Tokenizer
from torch.nn import functional

from data import PROTOCOLS
from model import Config, Model
from train import GANGS, Batches


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--tokenizer", required=True)
    parser.add_argument("--batches", type=int, default=6, help="of each protocol, of 4,096 tokens")
    a = parser.parse_args()
    tokenizer = Tokenizer.from_file(a.tokenizer)
    id_of = tokenizer.token_to_id
    kept = torch.load(a.weights, weights_only=True)
    model = Model(Config(**kept["shape"]), [id_of(str(n)) for n in range(1000)])
    model.load_state_dict(kept["model"])
    batches = Batches(a.data, 5)
    batches.limit(4096, 2048, [1] * len(PROTOCOLS))
    explore, ends, equals = id_of("Exploring Operation: "), (id_of(", Resulting Numbers: ["), id_of("\n")), id_of("=")
    seen, wrong = collections.Counter(), collections.Counter()
    for p, protocol in enumerate(PROTOCOLS):
        for _ in range(a.batches if p != GANGS else 0):  # whose rows are of several texts
            tokens, targets, counts = batches.draw(p)
            with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
                table = model.table()
                missed = (functional.linear(model(tokens, table), table).argmax(-1) != targets).numpy()
            for row, shown, miss, count in zip(tokens.numpy(), targets.numpy(), missed, counts.numpy()):
                for at in numpy.flatnonzero((row == equals) & (count > 0)):
                    if protocol != "arithmetic" and explore not in row[max(0, at - 10):at]:
                        continue  # an operation told again
                    sign = next(t for t in (tokenizer.decode([int(t)]) for t in row[at - 1::-1]) if t in "+-*/")
                    end = at + 1
                    while end < len(shown) and shown[end] not in ends and end - at < 7:
                        end += 1
                    if end < len(shown) and shown[end] in ends:
                        key = protocol, sign, "above 999" if end - at > 1 else "to 999"
                        seen[key] += 1
                        wrong[key] += bool(miss[at:end].any())
    for key in sorted(seen):
        print(*key, f"{wrong[key]} of {seen[key]} wrong, {100 * wrong[key] / seen[key]:.1f} %")


if __name__ == "__main__":
    main()
