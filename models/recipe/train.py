"""Trains the model that ships, in legs: weights, optimisers and place are kept every ten minutes, and --resume goes on.

    python train.py --data data/ --validation held-out/ --minutes 100 --curriculum -o run/ [--resume run/last.pt]
    python train.py --data data/ --validation held-out/ --minutes 100 --weights run/last.pt -o next/

--resume continues a leg that was cut off; --weights begins another leg from its weights, with fresh optimisers and a short
warm-up. Sequences begin at position 0. A step is a few batches, each of one protocol and of sequences of like length;
protocols are drawn by their shares of the tokens that count. --curriculum begins with arithmetic and short searches.
Writes DIR/last.pt and DIR/curve.jsonl.
"""
import argparse
import json
import os
import time

import numpy
import torch
from tokenizers import Tokenizer
from torch.nn import functional

from data import LAYOUTS, PROTOCOLS, SHARES
from model import Config, Model
from replay import Sample, attention

# Until which share of the leg: tokens of a batch, of the longest sequence, and shares of what counts. Small batches are what
# learns fastest from nothing: at 700,000 tokens batches of 2 x 1,024 are where batches of 2 x 4,096 are at three times as many.
CURRICULUM = [(0.15, 1024, 512, [0.30, 0.10, 0.20, 0.00, 0.40, 0.0]),
              (0.40, 2048, 1024, [0.40, 0.12, 0.18, 0.05, 0.25, 0.0]),
              (0.75, 2048, 2048, [0.43, 0.12, 0.18, 0.12, 0.15, 0.0])]
GANGS = PROTOCOLS.index("hogwild")


class Muon(torch.optim.Optimizer):
    """Momentum whose updates are made orthogonal by five Newton-Schulz steps (Jordan et al., Muon, 2024); for the matrices
    between embedding and head."""

    def __init__(self, matrices, lr, momentum=0.95, weight_decay=0.05):
        super().__init__(matrices, dict(lr=lr, momentum=momentum, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                state = self.state[p]
                if not state:
                    state["momentum"] = torch.zeros_like(p)
                state["momentum"].lerp_(p.grad, 1 - group["momentum"])
                x = p.grad.lerp(state["momentum"], group["momentum"]).bfloat16()
                tall = x.shape[0] > x.shape[1]
                x = x.T if tall else x
                x = x / (x.norm() + 1e-7)
                for _ in range(5):
                    squared = x @ x.T
                    x = 3.4445 * x + (-4.7750 * squared + 2.0315 * (squared @ squared)) @ x
                x = (x.T if tall else x).float()
                p.mul_(1 - group["lr"] * group["weight_decay"])
                p.add_(x, alpha=-group["lr"] * max(1.0, p.shape[0] / p.shape[1]) ** 0.5)


class Gangs:
    """Searches by workers that read each other: in equal shares of layouts and numbers of workers."""

    def __init__(self, folder):
        self.rows = numpy.load(os.path.join(folder, "gangs.npy"), mmap_mode="r")
        index = numpy.load(os.path.join(folder, "gangs-index.npy"))
        self.of = [index[(index[:, 2] == layout) & (index[:, 3] == workers)]
                   for layout in range(len(LAYOUTS)) for workers in sorted(set(index[:, 3].tolist()))]

    def draw(self, rng, size, longest):
        """Of samples of about `size` rows together, each cut where it would have more than `longest`: as Batches.draw."""
        out, rows = [], 0
        while rows < size:
            index = self.of[int(rng.integers(len(self.of)))]
            first, count, layout, workers = (int(n) for n in index[int(rng.integers(len(index)))])
            columns = self.rows[:, first:first + count].astype(numpy.int64)
            out.append(Sample(LAYOUTS[layout], workers, *columns).until(longest))
            rows += len(out[-1])
        tokens, targets = (torch.from_numpy(numpy.concatenate(c))[None] for c in zip(*((s.token, s.target) for s in out)))
        return tokens, targets, (targets >= 0).to(torch.uint8), attention(out)


class Batches:
    """Draws batches, each of one protocol and of sequences of like length."""

    def __init__(self, folder, seed):
        self.tokens = numpy.load(os.path.join(folder, "tokens.npy"), mmap_mode="r")
        self.counts = numpy.load(os.path.join(folder, "counts.npy"), mmap_mode="r")
        self.index = numpy.load(os.path.join(folder, "index.npy"))
        self.gangs = Gangs(folder) if os.path.exists(os.path.join(folder, "gangs.npy")) else None
        self.rng = numpy.random.default_rng(seed)

    def limit(self, tokens, longest, shares):
        """Draws from now on batches of about so many tokens of sequences of at most `longest`, by these shares of what
        counts."""
        self.size, self.longest = tokens, longest
        index = self.index[self.index[:, 1] <= longest]
        self.of = [index[index[:, 2] == p] for p in range(len(PROTOCOLS))]
        self.of = [rows[numpy.argsort(rows[:, 1], kind="stable")] for rows in self.of]
        weights = []
        for share, rows in zip(shares, self.of):
            some = rows[:: max(1, len(rows) // 200)]
            counted = sum(int(self.counts[a:a + n].sum()) for a, n, _ in some)
            weights.append(share * int(some[:, 1].sum()) / counted if len(rows) else 0)
        if self.gangs:
            weights[GANGS] = shares[GANGS]  # nearly all rows count
        self.weights = numpy.array(weights) / sum(weights)

    def step(self, count):
        """`count` batches whose protocols stand as near to their weights as so few can."""
        places = (numpy.arange(count) + self.rng.random()) / count
        return [self.draw(int(p)) for p in numpy.searchsorted(self.weights.cumsum(), places).clip(0, len(PROTOCOLS) - 1)]

    def draw(self, protocol):
        """Tokens, targets and counts, [sequences, length] each, as the loss takes them; of workers also what attends."""
        if protocol == GANGS:
            return self.gangs.draw(self.rng, self.size, self.longest)
        rows = self.of[protocol]
        lengths = rows[:, 1]
        at = int(self.rng.integers(len(rows)))  # a sequence, and its neighbours in length
        count = max(1, round(self.size / int(lengths[at])))
        first = max(0, min(at - count // 2, len(rows) - count))
        chosen = rows[first:first + count]
        length = -(-int(chosen[:, 1].max()) // 64) * 64 + 1  # few shapes
        tokens = numpy.zeros((len(chosen), length), dtype=numpy.int64)
        counts = numpy.zeros((len(chosen), length), dtype=numpy.uint8)
        for i, (start, n, _) in enumerate(chosen):
            tokens[i, :n] = self.tokens[start:start + n]
            counts[i, :n] = self.counts[start:start + n]
        tokens, counts = torch.from_numpy(tokens), torch.from_numpy(counts)
        return tokens[:, :-1], tokens[:, 1:], counts[:, 1:]


def rate_at(done, falling):
    """Share of the peak, `done` of the leg: a short warm-up, level, then down in a line over its last `falling`."""
    return min(1.0, (done + 0.0005) / 0.01) * min(1.0, (1 - done) / falling + 0.02)


@torch.no_grad()
def validate(model, batches, equals, resulting, rounds=8):
    """By protocol the loss, and the share of operations whose result would be wrong, given the right text before it."""
    out = {}
    for p, name in enumerate(PROTOCOLS):
        if p == GANGS and not batches.gangs:
            continue
        batches.rng = numpy.random.default_rng(p)
        losses, wrong, operations = [], 0, 0
        for _ in range(rounds):
            tokens, targets, counts, *how = batches.draw(p)
            with torch.autocast("cpu", dtype=torch.bfloat16):
                table = model.table()
                logits = functional.linear(model(tokens, table, *how), table).float()
            losses.append(float(functional.cross_entropy(logits[counts.bool()], targets[counts.bool()])))
            if how:  # its rows are of several texts
                continue
            missed = (logits.argmax(-1) != targets).numpy()
            for row, shown, miss, count in zip(tokens.numpy(), targets.numpy(), missed, counts.numpy()):
                for at in numpy.flatnonzero((row == equals) & (count > 0)):
                    end = at + 1
                    while end < len(shown) and shown[end] != resulting and end - at < 6:
                        end += 1
                    if end < len(shown) and shown[end] == resulting:
                        operations += 1
                        wrong += bool(miss[at:end].any())
        out[name] = dict(loss=round(sum(losses) / len(losses), 4))
        if operations:
            out[name]["wrong"] = round(wrong / operations, 4)
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True)
    parser.add_argument("--validation", required=True)
    parser.add_argument("--tokenizer", required=True)
    parser.add_argument("--minutes", type=float, required=True, help="of the whole leg: the rate follows them")
    parser.add_argument("--stop", type=float, help="after so many minutes already")
    parser.add_argument("--tokens", type=int, default=2048, help="of a batch")
    parser.add_argument("--batches", type=int, default=2, help="of a step")
    parser.add_argument("--longest", type=int, default=4096, help="tokens of the longest sequence")
    parser.add_argument("--shares", type=lambda s: [float(x) for x in s.split(",")], default=SHARES)
    parser.add_argument("--curriculum", action="store_true")
    parser.add_argument("--rate", type=float, default=0.02, help="of the matrices")
    parser.add_argument("--rate-rest", type=float, default=3e-3, help="of embedding and norms")
    parser.add_argument("--falling", type=float, default=0.5, help="share of the leg over which the rate falls, at its end")
    parser.add_argument("--validate", type=float, default=10, help="minutes between validations and checkpoints")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--shape", type=json.loads, default={}, help="other numbers than the model's, as JSON")
    parser.add_argument("--resume")
    parser.add_argument("--weights")
    parser.add_argument("-o", "--output", required=True)
    a = parser.parse_args()
    os.makedirs(a.output, exist_ok=True)
    torch.manual_seed(a.seed)
    tokenizer = Tokenizer.from_file(a.tokenizer)
    id_of = tokenizer.token_to_id
    model = Model(Config(**a.shape), [id_of(str(n)) for n in range(1000)])
    matrices = [p for p in model.layers.parameters() if p.dim() > 1]
    rest = [p for p in model.parameters() if not any(p is m for m in matrices)]
    optimizers = [Muon(matrices, a.rate), torch.optim.AdamW(rest, a.rate_rest, betas=(0.9, 0.98), weight_decay=0.0, fused=True)]
    step, counted, seen, spent = 0, 0, 0, 0.0
    if a.resume or a.weights:
        kept = torch.load(a.resume or a.weights, weights_only=True)
        model.load_state_dict(kept["model"])
        counted, seen = kept["counted"], kept["seen"]
        if a.resume:
            step, spent = kept["step"], kept["spent"]
            for optimizer, state in zip(optimizers, kept["optimizers"]):
                optimizer.load_state_dict(state)
    peaks = [a.rate, a.rate_rest]
    batches = Batches(a.data, a.seed * 1000003 + step)
    held_out = Batches(a.validation, 0)
    held_out.limit(4096, a.longest, SHARES)
    run = torch.compile(model.loss, dynamic=True) if a.compile else model.loss
    began, shown, saved = time.time(), time.time(), time.time()
    total, since, stage = a.minutes * 60, [0, 0.0, 0], None
    while True:
        done = (spent + time.time() - began) / total
        wanted = next((s for until, *s in CURRICULUM if a.curriculum and done < until), [a.tokens, a.longest, a.shares])
        if wanted != stage:
            stage = wanted
            batches.limit(*stage)
            print(f"sequences to {stage[1]} tokens, shares of batches {batches.weights.round(3)}", flush=True)
        for optimizer, peak in zip(optimizers, peaks):
            for group in optimizer.param_groups:
                group["lr"] = peak * rate_at(done, a.falling)
        drawn = batches.step(a.batches)
        whole = sum(int(counts.sum()) for _, _, counts, *_ in drawn)
        model.zero_grad(set_to_none=True)
        for tokens, targets, counts, *how in drawn:
            with torch.autocast("cpu", dtype=torch.bfloat16):
                loss = (model.loss if how else run)(tokens, targets, counts, *how)
            (loss * (int(counts.sum()) / whole)).backward()
            since = [since[0] + tokens.numel(), since[1] + float(loss.detach()), since[2] + 1]
            seen += tokens.numel()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
        step += 1
        counted += whole
        over = done >= 1 or (a.stop is not None and done * a.minutes >= a.stop)
        if time.time() - shown > 60 or over:
            line = dict(step=step, minutes=round(done * a.minutes, 2), seen=seen, counted=counted,
                        loss=round(since[1] / since[2], 4), tokens_a_second=round(since[0] / (time.time() - shown)))
            if time.time() - saved > 60 * a.validate or over:
                line["validation"] = validate(model, held_out, id_of("="), id_of(", Resulting Numbers: ["))
                kept = dict(shape=a.shape, model=model.state_dict(), optimizers=[o.state_dict() for o in optimizers], step=step,
                            counted=counted, seen=seen, spent=spent + time.time() - began)
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
