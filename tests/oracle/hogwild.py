"""Workers that read each other, in PyTorch and by their plain definition: every forward from the raw
keys and values of its blocks, each rotated to where it stands in the view, one softmax in double.
Writes tests/oracle/hogwild/NAME.txt, which tests/pipeline/test_hogwild_engine.c reads.

Needs torch, transformers, tokenizers and safetensors; run by hand from the root of the tree after a
build:
    python tests/oracle/hogwild.py build/dev

A file has, for each case,
    case LAYOUT WORKERS FORWARDS SEPARATOR PROMPT END COMMITS GAP
    worker COUNT ID ...     of each: all tokens behind what all see, fed and sampled
END is an id that ends a worker, who is read as it stands from then on; 0: none, and the model's own
is never sampled. GAP is the least distance of a greedy token to the second. Prompt and separator are drawn until it is
wide enough that fp32 cannot change a token, and several steps are committed. One worker of the
interleaved layout is also checked against transformers on the same tokens.
"""
import itertools
import json
import math
import os
import subprocess
import sys
import tempfile

# tokenizers.py beside this file has the name of a library that is imported.
sys.path = [p for p in sys.path if os.path.abspath(p or ".") != os.path.dirname(os.path.abspath(__file__))]

import torch  # noqa: E402
import transformers  # noqa: E402
from safetensors.torch import load_file  # noqa: E402
from tokenizers import Tokenizer  # noqa: E402

NAMES, SEED, SUPPRESSED = ["tiny-llama", "tiny-qwen3"], 7, 257
LAYOUTS, WORKERS = ["contiguous", "interleaved", "combined"], [1, 2, 3, 4]
ENDED = [("combined", 2), ("combined", 3), ("interleaved", 3), ("contiguous", 3)]
FORWARDS, CHECK_TOKENS, CONTEXT = {1: 200, 2: 200, 3: 200, 4: 160}, 90, 1000
WIDE, COMMITS, DISTINCT = 5e-4, 6, 24
WORDS = {"past": "past:", "others": "others:", "own": "..own:", "split": "..", "workspace": "#{}#",
         "prefix": "{}{}:", "opening": "go", "greeting": "yo", "check": "same? "}


def norm(x, gain, epsilon):
    return x * (x.square().mean(-1, keepdim=True) + epsilon).rsqrt() * gain


def rotated(x, positions, theta):
    """x: [tokens, heads, size]"""
    half = x.shape[-1] // 2
    powers = theta ** (torch.arange(half, dtype=torch.float64) * -2 / x.shape[-1])
    angles = positions.to(torch.float64)[:, None] * powers[None, :]
    cos, sin = angles.cos()[:, None, :], angles.sin()[:, None, :]
    low, high = x[..., :half], x[..., half:]
    return torch.cat([low * cos - high * sin, high * cos + low * sin], -1)


class Model:
    def __init__(self, folder):
        with open(f"{folder}/config.json") as file:
            self.c = json.load(file)
        self.w = {k: v.double() for k, v in load_file(f"{folder}/model.safetensors").items()}
        self.layers, self.heads = self.c["num_hidden_layers"], self.c["num_attention_heads"]
        self.kv, self.size = self.c["num_key_value_heads"], self.c["head_dim"]
        self.theta = (self.c.get("rope_parameters") or self.c)["rope_theta"]
        self.epsilon = self.c["rms_norm_eps"]
        self.embed = self.w["model.embed_tokens.weight"]
        self.head = self.w.get("lm_head.weight", self.embed)

    def project(self, layer, name, x, count):
        at = f"model.layers.{layer}.self_attn.{name}"
        y = x @ self.w[f"{at}_proj.weight"].T
        if f"{at}_proj.bias" in self.w:
            y = y + self.w[f"{at}_proj.bias"]
        y = y.view(-1, count, self.size)
        gain = self.w.get(f"{at}_norm.weight")
        return y if gain is None else norm(y, gain, self.epsilon)

    def attend(self, q, keys, values):
        """q: [rows, heads, size], at the end of keys: [tokens, kv, size]"""
        rows, tokens, group = q.shape[0], keys.shape[0], self.heads // self.kv
        q = rotated(q, torch.arange(tokens - rows, tokens), self.theta)
        k = rotated(keys, torch.arange(tokens), self.theta).repeat_interleave(group, 1)
        z = torch.einsum("qhd,khd->hqk", q, k) / math.sqrt(self.size)
        hidden = torch.arange(tokens)[None, :] > torch.arange(tokens - rows, tokens)[:, None]
        p = torch.softmax(z.masked_fill(hidden, -math.inf), -1)
        return torch.einsum("hqk,khd->qhd", p, values.repeat_interleave(group, 1)).reshape(rows, -1)

    def forward(self, inputs, own, views, keys, values):
        """One forward: inputs[i] ids of worker i, put into block own[i], seen by views[i]. keys and
        values: [layer][block], raw. The logits of each worker's last row."""
        x = [self.embed[torch.tensor(ids)] for ids in inputs]
        for layer in range(self.layers):
            at, queries = f"model.layers.{layer}", []
            for i, hidden in enumerate(x):
                y = norm(hidden, self.w[f"{at}.input_layernorm.weight"], self.epsilon)
                queries.append(self.project(layer, "q", y, self.heads))
                k, v = self.project(layer, "k", y, self.kv), (y @ self.w[f"{at}.self_attn.v_proj.weight"].T)
                if f"{at}.self_attn.v_proj.bias" in self.w:
                    v = v + self.w[f"{at}.self_attn.v_proj.bias"]
                b = own[i]
                keys[layer][b] = torch.cat([keys[layer][b], k])
                values[layer][b] = torch.cat([values[layer][b], v.view(-1, self.kv, self.size)])
            for i, q in enumerate(queries):
                seen = self.attend(q, torch.cat([keys[layer][b] for b in views[i]]),
                                   torch.cat([values[layer][b] for b in views[i]]))
                x[i] = x[i] + seen @ self.w[f"{at}.self_attn.o_proj.weight"].T
                y = norm(x[i], self.w[f"{at}.post_attention_layernorm.weight"], self.epsilon)
                gate = torch.nn.functional.silu(y @ self.w[f"{at}.mlp.gate_proj.weight"].T)
                x[i] = x[i] + (gate * (y @ self.w[f"{at}.mlp.up_proj.weight"].T)) @ self.w[f"{at}.mlp.down_proj.weight"].T
        return [norm(h[-1], self.w["model.norm.weight"], self.epsilon) @ self.head.T for h in x]


class Run:
    """A sample: blocks are the prompt, headers, then what each worker writes."""

    def __init__(self, model, encode, strings, layout, workers, prompt, separator, end=0):
        self.end, self.live = end, list(range(workers))
        self.model, self.encode, self.layout, self.workers = model, encode, layout, workers
        self.ends = [separator in s for s in strings]
        steps = layout != "contiguous"
        texts = [prompt + (WORDS["past"] if steps else "")]
        texts += {"contiguous": [WORDS["split"]], "interleaved": [],
                  "combined": [WORDS["others"], WORDS["own"]]}[layout]
        first = len(texts)
        self.own = [first + i for i in range(workers)]
        empty = torch.zeros(0, model.kv, model.size, dtype=torch.float64)
        self.keys = [[empty] * (first + workers) for _ in range(model.layers)]
        self.values = [[empty] * (first + workers) for _ in range(model.layers)]
        for b, words in enumerate(texts):
            ids = ([256] if b == 0 else []) + encode(words)
            model.forward([ids], [b], [[b]], self.keys, self.values)
        others = [[self.own[j] for j in range(workers) if j != i] for i in range(workers)]
        self.views = [{"contiguous": [0] + others[i] + [1, self.own[i]], "interleaved": [0, self.own[i]],
                       "combined": [0, 1] + others[i] + [2, self.own[i]]}[layout] for i in range(workers)]
        self.steps, self.commits, self.put_in, self.checked_at = [1] * workers, 0, 0, 0
        names = "ABCD"
        self.prefix = lambda i: WORDS["prefix"].format(names[i], self.steps[i])
        self.next = [encode(self.prefix(i) + WORDS["greeting" if i else "opening"] if steps
                            else WORDS["workspace"].format(names[i])) for i in range(workers)]
        self.tokens = [list(ids) for ids in self.next]
        self.sampled = [[] for _ in range(workers)]
        self.gap = math.inf

    def commit(self, i):
        for store in self.keys + self.values:
            store[0] = torch.cat([store[0], store[self.own[i]]])
            store[self.own[i]] = store[self.own[i]][:0]
        self.steps[i] += 1
        self.commits += 1
        words = self.prefix(i)
        if self.put_in - self.checked_at > CHECK_TOKENS:
            words += WORDS["check"]
            self.checked_at = self.put_in
        return self.encode(words)

    def forward(self):
        live = self.live
        of = lambda per_worker: [per_worker[i] for i in live]  # noqa: E731
        logits = self.model.forward(of(self.next), of(self.own), of(self.views), self.keys, self.values)
        self.put_in += sum(map(len, of(self.next)))
        self.live = []
        for i, z in zip(live, logits):
            if not self.end:
                z[SUPPRESSED] = -math.inf
            top = z.topk(2)
            self.gap = min(self.gap, float(top.values[0] - top.values[1]))
            token = int(top.indices[0])
            self.sampled[i].append(token)
            if self.end > 0 and token == self.end:
                self.tokens[i].append(token)
                continue
            self.live.append(i)
            fed = self.commit(i) if self.ends[token] and self.layout != "contiguous" else []
            self.next[i] = [token] + fed
            self.tokens[i] += self.next[i]
        return self.gap > WIDE and max(map(self.length, self.views)) < CONTEXT

    def length(self, view):
        return sum(len(self.keys[0][b]) for b in view)

    def good(self):
        return self.layout == "contiguous" or self.commits >= COMMITS

    def distinct(self):
        return min(len(set(t)) for t in self.tokens) >= DISTINCT


def draw(model, encode, strings, layout, workers):
    for prompt, separator in itertools.product([f"q{n}" for n in range(400)], "e3,s "):
        run = Run(model, encode, strings, layout, workers, prompt, separator)
        forwards = FORWARDS[workers]
        if all(run.forward() for _ in range(forwards)) and run.good() and run.distinct():
            return run, prompt, separator
    raise SystemExit(f"no case of {layout} with {workers}")


def draw_ended(model, encode, strings, layout, workers):
    """A case in which somebody ends in the first half, and somebody never does."""
    for prompt, separator in itertools.product([f"r{n}" for n in range(400)], "e3,s "):
        free = Run(model, encode, strings, layout, workers, prompt, separator, end=-1)
        if not all(free.forward() for _ in range(60)):
            continue
        for end in free.sampled[-1][15:]:
            run = Run(model, encode, strings, layout, workers, prompt, separator, end)
            good = all(run.live and run.forward() for _ in range(FORWARDS[workers]))
            if good and len(run.live) in range(1, workers) and run.good():
                return run, prompt, separator
    raise SystemExit(f"no case of {layout} with {workers} of whom some end")


def ordinary(folder, encode, run, prompt):
    """One worker whose view is its text: what transformers says of it."""
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float64).eval()
    seen = [256] + encode(prompt + WORDS["past"])
    ids = seen + run.tokens[0]
    with torch.no_grad():
        z = model(torch.tensor([ids])).logits[0].double()
    z[:, SUPPRESSED] = -math.inf
    same = sum(int(z[at - 1].argmax()) == ids[at] for at in range(len(seen), len(ids)))
    assert same >= FORWARDS[1], f"{same} tokens as transformers has them"


def main():
    build = sys.argv[1]
    torch.set_num_threads(1)
    for name in NAMES:
        with tempfile.TemporaryDirectory() as root:
            folder = os.path.join(root, name)
            subprocess.run([f"{build}/nightjar", "model", "synth", "--config", name, "-o", folder,
                            "--seed", str(SEED), "--dtype", "fp32"], check=True)
            tokenizer, model = Tokenizer.from_file(f"{folder}/tokenizer.json"), Model(folder)
            strings = [tokenizer.decode([i]) for i in range(len(model.embed))]  # special ones have none
            encode = lambda words: tokenizer.encode(words, add_special_tokens=False).ids  # noqa: E731
            lines = [f"# torch {torch.__version__}, by hogwild.py"]
            cases = [(*c, draw) for c in itertools.product(LAYOUTS, WORKERS)] + [(*c, draw_ended) for c in ENDED]
            for layout, workers, drawn in cases:
                run, prompt, separator = drawn(model, encode, strings, layout, workers)
                if layout == "interleaved" and workers == 1:
                    ordinary(folder, encode, run, prompt)
                shown = "space" if separator == " " else separator
                lines.append(f"case {layout} {workers} {FORWARDS[workers]} {shown} {prompt} {run.end} "
                             f"{run.commits} {run.gap:.5f}")
                lines += [f"worker {len(t)} " + " ".join(map(str, t)) for t in run.tokens]
                print(lines[-1 - workers], flush=True)
            with open(f"tests/oracle/hogwild/{name}.txt", "w") as file:
                file.write("\n".join(lines) + "\n")


with torch.no_grad():
    main()
