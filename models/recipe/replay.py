"""Workers that read each other, replayed: a whole sample in one pass, as the engine computed it token by token (Rodionov et
al. 2025, arXiv 2504.06261, appendix B).

A sample is packed into one row: the prompt, the headers, then what each worker put in, each token tagged with its worker, its
step and the forward that put it in. A key stays where it was computed; what changes from forward to forward is where its step
stands in a worker's view. So keys are rotated at their place in their step, and a query is rotated once for each step that it
sees, by its own position minus where that step stands in its view at that forward.
"""
import numpy
import torch

from model import rotate

PROMPT, OTHERS, OWN = -1, -2, -3  # in place of a worker's number
WITH_STEPS = ("combined", "interleaved")  # layouts in which a step that is done goes where all see it
CHUNK, ROWS = 64, 256  # keys that share a rotation, and rows that are computed at once
NEVER = 1 << 30


class Sample:
    """Rows in the order in which they were put in. target is what was sampled behind a row; -1: nothing was."""

    def __init__(self, layout, workers, token, target, time, worker, step):
        self.layout, self.workers = layout, workers
        self.token, self.target, self.time, self.worker, self.step = token, target, time, worker, step

    def __len__(self):
        return len(self.token)

    def until(self, rows):
        """The sample as it was when its last whole forward ended within so many rows."""
        if len(self) <= rows:
            return self
        last = self.time[rows]
        kept = self.time < last
        return Sample(self.layout, self.workers, *(a[kept] for a in (self.token, self.target, self.time, self.worker, self.step)))


def pack(layout, workers, prompt, others, own, work):
    """prompt, others, own: ids of what all workers see. work: for each worker its steps, each (fed, sampled): the ids that it was
    fed when the step began (in the first one or more), and those that it sampled for it, of which the last is put in with the
    next step's, if one follows."""
    rows = []

    def put(ids, worker):
        rows.extend((-1, worker, 0, i, -1) for i in ids)

    put(prompt, PROMPT)
    put(others, OTHERS)
    put(own, OWN)
    for w in range(workers):
        forward, held = 0, []
        for step, (fed, sampled) in enumerate(work[w]):
            at = step if layout in WITH_STEPS else 0
            rows.extend((forward, w, at, i, -1) for i in held + list(fed))
            for n, i in enumerate(sampled):
                rows[-1] = (*rows[-1][:4], i)
                forward += 1
                if n + 1 < len(sampled):
                    rows.append((forward, w, at, i, -1))
            held = sampled[-1:]
    order = sorted(range(len(rows)), key=lambda r: (rows[r][0], r))
    time, worker, step, token, target = (numpy.array(c, dtype=numpy.int64) for c in zip(*(rows[r] for r in order)))
    return Sample(layout, workers, token, target, time, worker, step)


class Views:
    """Of a sample: where each step stands in the view of each row, and what the row sees of it."""

    def __init__(self, sample):
        s = self.sample = sample
        self.forwards = int(s.time.max()) + 1
        keys = sorted({(int(w), int(k)) for w, k in zip(s.worker, s.step)}, key=lambda g: (g[0] >= 0, -g[0] if g[0] < 0 else g[0], g[1]))
        self.segments = [numpy.flatnonzero((s.worker == w) & (s.step == k)) for w, k in keys]
        self.owner = [w for w, _ in keys]
        self.number = {g: i for i, g in enumerate(keys)}
        ticks = numpy.arange(self.forwards)
        self.length = numpy.stack([numpy.searchsorted(s.time[rows], ticks, side="right") for rows in self.segments])
        self.first = [int(s.time[rows[0]]) for rows in self.segments]
        follower = [self.number.get((w, k + 1)) for w, k in keys]
        self.done = [NEVER if f is None else self.first[f] - 1 for f in follower]  # the forward that ended it
        self.local = numpy.zeros(len(s), dtype=numpy.int64)
        self.segment = numpy.zeros(len(s), dtype=numpy.int64)
        for g, rows in enumerate(self.segments):
            self.local[rows], self.segment[rows] = numpy.arange(len(rows)), g

    def starts(self, own):
        """[segments, forwards]: where each stands in a worker's view; -1: it is not seen."""
        layout, count = self.sample.layout, len(self.segments)
        ticks = numpy.arange(self.forwards)
        starts = numpy.full((count, self.forwards), -1, dtype=numpy.int64)
        starts[0] = 0
        at = numpy.full(self.forwards, len(self.segments[0]), dtype=numpy.int64)
        for g in sorted((g for g in range(count) if self.done[g] < NEVER), key=lambda g: (self.done[g], self.owner[g])):
            seen = ticks > self.done[g]
            starts[g, seen] = at[seen]
            at[seen] += len(self.segments[g])

        def put(g, seen):
            starts[g, seen] = at[seen]
            at[seen] += self.length[g, seen]

        def put_header(owner):
            if (owner, 0) in self.number:
                put(self.number[owner, 0], ticks >= 0)

        def put_unfinished(worker):
            for g in range(count):
                if self.owner[g] == worker:
                    put(g, (ticks >= self.first[g]) & (ticks <= self.done[g]))

        put_header(OTHERS)
        if layout in ("combined", "contiguous"):
            for j in range(self.sample.workers):
                if j != own:
                    put_unfinished(j)
        put_header(OWN)
        put_unfinished(own)
        return starts

    def rows(self):
        """[rows, segments]: by how much a row's query is rotated for a segment's keys; -1: it does not see it."""
        s = self.sample
        turns = numpy.full((len(s), len(self.segments)), -1, dtype=numpy.int64)
        for g, rows in enumerate(self.segments):  # what all see was computed by itself
            if self.owner[g] < 0:
                turns[rows, g] = self.local[rows]
        for w in range(s.workers):
            starts, rows = self.starts(w), numpy.flatnonzero(s.worker == w)
            place = starts[:, s.time[rows]].T
            own = place[numpy.arange(len(rows)), self.segment[rows]] + self.local[rows]
            turns[rows] = numpy.where(place >= 0, own[:, None] - place, -1)
        return turns


class Replay:
    """What attention needs of a sample."""

    def __init__(self, sample):
        views = Views(sample)
        turns = views.rows()
        keys, of = [], []
        for g, rows in enumerate(views.segments):
            for at in range(0, len(rows), CHUNK):
                chunk = rows[at:at + CHUNK]
                keys.append(numpy.concatenate([chunk, numpy.full(CHUNK - len(chunk), -1)]))
                of.append(g)
        keys, of = numpy.stack(keys), numpy.array(of)
        self.local = torch.from_numpy(views.local)
        self.keys = torch.from_numpy(numpy.maximum(keys, 0).reshape(-1))
        self.blocks = []
        time, segment, local = sample.time, views.segment, views.local
        for at in range(0, len(sample), ROWS):
            rows = numpy.arange(at, min(at + ROWS, len(sample)))
            seen = turns[rows][:, of][:, :, None] >= 0
            same = segment[rows][:, None, None] == segment[keys][None]
            before = numpy.where(same, local[keys][None] <= local[rows][:, None, None], time[keys][None] <= time[rows][:, None, None])
            seen = seen & before & (keys >= 0)[None]
            used = numpy.flatnonzero(seen.any(axis=(0, 2)))
            angle = torch.from_numpy(numpy.maximum(turns[rows][:, of[used]], 0).T.copy())  # [chunks, rows]
            mask = torch.from_numpy(seen[:, used].reshape(len(rows), -1))
            places = torch.from_numpy((used[:, None] * CHUNK + numpy.arange(CHUNK)).reshape(-1))
            self.blocks.append((at, len(rows), places, angle, torch.zeros(mask.shape).masked_fill(~mask, float("-inf"))))

    def attend(self, q, k, v, cos, sin):  # [heads, rows, size], [kv heads, rows, size] twice; not yet rotated
        group = q.shape[0] // k.shape[0]
        k = rotate(k, cos[self.local], sin[self.local])[:, self.keys]
        v, out = v[:, self.keys], []
        for at, rows, places, angle, mask in self.blocks:
            turned = rotate(q[:, None, at:at + rows], cos[angle], sin[angle])
            chunks = k[:, places].unflatten(1, (-1, CHUNK)).repeat_interleave(group, dim=0)
            scores = (turned @ chunks.transpose(2, 3)).transpose(1, 2).flatten(2).float() * q.shape[-1] ** -0.5 + mask
            share = torch.softmax(scores, dim=-1).to(v.dtype)
            out.append(share @ v[:, places].repeat_interleave(group, dim=0))
        return torch.cat(out, dim=1)


def attention(samples):
    """For Model.forward, whose rows are those of the samples one behind another."""
    replays, counts = [Replay(s) for s in samples], [len(s) for s in samples]

    def of_rotations(cos, sin):
        def attend(q, k, v):
            each = zip(replays, *(x[0].split(counts, dim=1) for x in (q, k, v)))
            return torch.cat([r.attend(*qkv, cos, sin) for r, *qkv in each], dim=1)[None]
        return attend
    return of_rotations
