"""Trains the model that ships, in legs: weights, optimiser and place are kept every ten minutes, and --resume goes on.

    python train.py --data data/ --validation data-dev/ --minutes 100 -o run/ [--resume run/last.pt | --weights run/last.pt]

--resume continues a leg that was cut off; --weights begins another leg from its weights, with a fresh optimiser and a short
warm-up. Sequences begin at position 0 and stand in batches of like length; protocols are drawn by their shares of the
tokens that count. Writes run/last.pt, run/curve.jsonl.
"""
import argparse
import json
import math
import os
import time

import numpy
import torch

from data import PROTOCOLS, SHARES
from model import Config, Model


class Batches:
    """Draws batches of about `tokens` tokens of one protocol, of like length."""

    def __init__(self, folder, tokens, seed, most):
        self.tokens = numpy.load(os.path.join(folder, "tokens.npy"), mmap_mode="r")
        self.counts = numpy.load(os.path.join(folder, "counts.npy"), mmap_mode="r")
        index = numpy.load(os.path.join(folder, "index.npy"))
        index = index[index[:, 1] <= most]
        self.rng, self.size = numpy.random.default_rng(seed), tokens
        self.of = [index[index[:, 2] == p] for p in range(len(PROTOCOLS))]
        self.of = [rows[numpy.argsort(rows[:, 1], kind="stable")] for rows in self.of]
        per_token = []
        for rows in self.of:
            counted = sum(int(self.counts[a:a + n].sum()) for a, n, _ in rows[:: max(1, len(rows) // 200)])
            held = sum(int(n) for _, n, _ in rows[:: max(1, len(rows) // 200)])
            per_token.append(counted / max(1, held))
        weights = numpy.array([s / max(c, 1e-9) if len(rows) else 0
                               for s, c, rows in zip(SHARES, per_token, self.of)])
        self.weights = weights / weights.sum()

    def draw(self, protocol=None):
        if protocol is None:
            protocol = self.rng.choice(len(PROTOCOLS), p=self.weights)
        rows = self.of[protocol]
        at = int(self.rng.integers(len(rows)))  # a sequence, and its neighbours in length
        count = max(1, self.size // int(rows[at][1]))
        first = max(0, min(at - count // 2, len(rows) - count))
        chosen = rows[first:first + count]
        length = int(chosen[:, 1].max())
        length = -(-length // 64) * 64 + 1  # few shapes
        tokens = numpy.zeros((len(chosen), length), dtype=numpy.int64)
        counts = numpy.zeros((len(chosen), length), dtype=numpy.uint8)
        for i, (start, n, _) in enumerate(chosen):
            tokens[i, :n] = self.tokens[start:start + n]
            counts[i, :n] = self.counts[start:start + n]
        tokens, counts = torch.from_numpy(tokens), torch.from_numpy(counts)
        return protocol, tokens[:, :-1], tokens[:, 1:], counts[:, 1:]


def rate_at(seconds, total, peak):
    """A short warm-up, then a cosine to a tenth."""
    warm = min(120.0, total / 20)
    if seconds < warm:
        return peak * (seconds + 1) / warm
    return peak * (0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * min(1.0, (seconds - warm) / (total - warm)))))


@torch.no_grad()
def validate(model, batches, rounds):
    out = {}
    for p, name in enumerate(PROTOCOLS):
        if not len(batches.of[p]):
            continue
        batches.rng = numpy.random.default_rng(p)
        losses = []
        for _ in range(rounds):
            _, tokens, targets, counts = batches.draw(p)
            with torch.autocast("cpu", dtype=torch.bfloat16):
                losses.append(float(model.loss(tokens, targets, counts)))
        out[name] = sum(losses) / len(losses)
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True)
    parser.add_argument("--validation", required=True)
    parser.add_argument("--minutes", type=float, required=True)
    parser.add_argument("--tokens", type=int, default=8192, help="of a batch")
    parser.add_argument("--longest", type=int, default=4096, help="tokens of the longest sequence")
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--resume")
    parser.add_argument("--weights")
    parser.add_argument("-o", "--output", required=True)
    a = parser.parse_args()
    os.makedirs(a.output, exist_ok=True)
    torch.manual_seed(a.seed)
    model = Model(Config())
    decayed = [p for p in model.parameters() if p.dim() > 1]
    others = [p for p in model.parameters() if p.dim() <= 1]
    optimizer = torch.optim.AdamW([dict(params=decayed, weight_decay=0.1), dict(params=others, weight_decay=0.0)],
                                  lr=a.rate, betas=(0.9, 0.98), fused=True)
    step, counted, spent = 0, 0, 0.0
    if a.resume or a.weights:
        kept = torch.load(a.resume or a.weights, weights_only=True)
        model.load_state_dict(kept["model"])
        if a.resume:
            optimizer.load_state_dict(kept["optimizer"])
            step, spent = kept["step"], kept["spent"]
        counted = kept["counted"]
    batches = Batches(a.data, a.tokens, a.seed * 1000003 + step, a.longest)
    held_out = Batches(a.validation, a.tokens, 0, a.longest)
    run = torch.compile(model.loss, dynamic=True) if a.compile else model.loss
    print(f"{sum(p.numel() for p in model.parameters())} parameters, shares of batches {batches.weights.round(3)}")
    began, shown, saved, total, since = time.time(), time.time(), time.time(), a.minutes * 60, [0, 0.0, 0]
    while True:
        now = spent + time.time() - began
        for group in optimizer.param_groups:
            group["lr"] = rate_at(now, total, a.rate)
        _, tokens, targets, counts = batches.draw()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = run(tokens, targets, counts)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        step += 1
        counted += int(counts.sum())
        since = [since[0] + tokens.numel(), since[1] + float(loss.detach()), since[2] + 1]
        over = now > total
        if time.time() - shown > 60 or over:
            line = dict(step=step, minutes=round(now / 60, 2), counted=counted, loss=round(since[1] / since[2], 4),
                        tokens_a_second=round(since[0] / (time.time() - shown)), rate=optimizer.param_groups[0]["lr"])
            if time.time() - saved > 600 or over:
                line["validation"] = {k: round(v, 4) for k, v in validate(model, held_out, 6).items()}
                kept = dict(model=model.state_dict(), optimizer=optimizer.state_dict(), step=step, counted=counted,
                            spent=spent + time.time() - began)
                torch.save(kept, os.path.join(a.output, "new.pt"))
                os.replace(os.path.join(a.output, "new.pt"), os.path.join(a.output, "last.pt"))
                saved = time.time()
            with open(os.path.join(a.output, "curve.jsonl"), "a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
            print(json.dumps(line), flush=True)
            shown, since = time.time(), [0, 0.0, 0]
        if over:
            return


if __name__ == "__main__":
    main()
