"""Attention over views against a plain definition in PyTorch: each row's keys gathered from its
entries in order, every key rotated to where it stands in the view and the query to its own position,
one softmax in double. The engine rotates queries instead, and folds chunks of 128 keys.

Needs torch; run by hand from the root of the tree after a build with tests:
    python tests/oracle/views.py build/dev

Prints for each case of tests/kernels/cases.h the greatest error of the reference in compute fp32, in
units of 2^-24 of the row's greatest output and as a share of the bound that
tests/kernels/test_reference.c derives from the roundings, and whether the cpu backend gave the same
numbers. Exit 1 where one is not within its bound or not the same.
"""
import json
import math
import os
import subprocess
import sys
import tempfile

import torch

U = 2.0**-24  # half a unit in the last place of fp32


def rotated(x, positions):
    half = x.shape[-1] // 2
    powers = torch.arange(half, dtype=torch.float64) * -2 / x.shape[-1]
    angles = positions.to(torch.float64)[:, None] * (10000.0**powers)[None, :]
    cos, sin = angles.cos()[:, None, :], angles.sin()[:, None, :]
    low, high = x[..., :half], x[..., half:]
    return torch.cat([low * cos - high * sin, high * cos + low * sin], -1)


def normed(x, gain):
    if not gain:
        return x
    scale = (x.square().mean(-1, keepdim=True) + float(torch.tensor(1e-6))).rsqrt()
    return x * scale * torch.tensor(gain, dtype=torch.float64)


def row_of(case, heads, row):
    """What a row is, and how far fp32 may be from it: [heads, head_size] each."""
    size, group = case["head_size"], case["heads"] // case["kv_heads"]
    view = case["views"][row]
    tokens, positions = [], []
    for start, keys, position in view["entries"]:
        tokens += range(start, start + keys)
        positions += range(position, position + keys)
    if not tokens:
        return torch.zeros(case["heads"], size), torch.zeros(case["heads"], size)
    at = case["tokens"] - case["rows"] + row
    q = normed(heads[at : at + 1, : case["heads"]], case["q_gain"])
    k = normed(heads[tokens, case["heads"] : case["heads"] + case["kv_heads"]], case["k_gain"])
    v = heads[tokens, case["heads"] + case["kv_heads"] :].repeat_interleave(group, 1)
    q = rotated(q, torch.tensor([view["next"] - 1]))[0]
    k = rotated(k, torch.tensor(positions)).repeat_interleave(group, 1)
    p = torch.softmax(torch.einsum("hd,khd->hk", q, k) / math.sqrt(size), -1)
    out = torch.einsum("hk,khd->hd", p, v)
    lengths = q.norm(dim=-1) * k.norm(dim=-1).amax(0) / math.sqrt(size)
    score = lengths * (2.02 + 40 + size // 32) * U
    sizes = torch.einsum("hk,khd->hd", p, v.abs())
    bound = (torch.expm1(2 * score + 102 * U) + 2 * U)[:, None] * sizes + U * out.abs() + 2.0**-100
    return out, bound


def compare(case):
    size, count = case["head_size"], case["heads"] + 2 * case["kv_heads"]
    heads = torch.tensor(case["qkv"], dtype=torch.float64).reshape(case["tokens"], count, size)
    heads[heads.abs() < 2.0**-126] = 0  # denormals count as zeros
    got = torch.tensor(case["reference"], dtype=torch.float64).reshape(-1, case["heads"], size)
    worst, units, within = 0.0, 0.0, True
    for row in range(case["rows"]):
        out, bound = row_of(case, heads, row)
        error = (got[row] - out).abs()
        within = within and bool((error <= bound).all())
        units = max(units, float(error.max() / out.abs().max().clamp_min(2.0**-126)) / U)
        worst = max(worst, float((error / bound.clamp_min(2.0**-126)).max()))
    same = case["cpu"] == case["reference"]
    print(f"{case['name']}: {units:.1f} units, {worst:.3f} of the bound; cpu {'the same' if same else 'OTHER'}")
    return within and same


def main():
    torch.set_num_threads(1)
    good = True
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([f"{sys.argv[1]}/tests/show_views", folder], check=True)
        for number in range(len(os.listdir(folder))):
            with open(os.path.join(folder, f"{number}.json")) as file:
                good = compare(json.load(file)) and good
    sys.exit(0 if good else 1)


main()
