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
ROWS = 256  # that are computed at once
BEFORE, NEVER = -2, 1 << 30  # of all rows, whose forwards count from 0, -1 for what all see


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
        return self.before(self.time[rows])

    def before(self, forward):
        kept = self.time < forward
        return Sample(self.layout, self.workers, *(a[kept] for a in (self.token, self.target, self.time, self.worker, self.step)))


def pack(layout, workers, prompt, others, own, work):
    """prompt, others, own: ids of what all workers see. work: for each worker its steps, each (fed, sampled): the ids that it was
    fed when the step began (in the first one or more), and those that it sampled for it, of which the last is put in with the
    next step's, if one follows. So a step is done where one follows; whoever had no room for one has the sample end there
    (Sample.before)."""
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
    """What attention needs of a sample: blocks of rows, each with the keys that it sees. Keys that stand where all see them, the
    prompt's and those of steps that are done, keep their places in every view, so that one rotation serves them all; each step
    that is not done takes one of its own."""

    def __init__(self, sample):
        views = Views(sample)
        turns, count = views.rows(), len(views.segments)
        time, self.local = sample.time, torch.from_numpy(views.local)
        common = [0, *sorted((g for g in range(count) if views.done[g] < NEVER), key=lambda g: (views.done[g], views.owner[g]))]
        stored = numpy.concatenate([views.segments[g] for g in common])
        done = numpy.concatenate([numpy.full(len(views.segments[g]), views.done[g] if g else BEFORE) for g in common])
        self.stored, self.blocks = torch.from_numpy(stored), []
        for at in range(0, len(sample), ROWS):
            rows = numpy.arange(at, min(at + ROWS, len(sample)))
            now, turn = time[rows, None], turns[rows]
            kept = int(numpy.searchsorted(done, now.max()))
            mask = [(done[:kept] < now) & (numpy.arange(kept) <= turn[:, :1])]
            unfinished = []
            for g in range(1, count):
                keys = views.segments[g][:views.length[g, now.max()]]
                own = (views.segment[rows] == g)[:, None]
                seen = numpy.where(own, views.local[keys] <= views.local[rows, None], time[keys] <= now)
                seen &= (turn[:, g:g + 1] >= 0) & (now <= views.done[g])
                if seen.any():
                    mask.append(seen)
                    unfinished.append((torch.from_numpy(keys), torch.from_numpy(numpy.maximum(turn[:, g], 0))))
            mask = torch.from_numpy(numpy.concatenate(mask, axis=1))
            place = torch.from_numpy(numpy.maximum(turn[:, 0], 0))
            self.blocks.append((at, len(rows), kept, place, unfinished,
                                torch.zeros(mask.shape).masked_fill(~mask, float("-inf"))))

    def attend(self, q, k, v, cos, sin):  # [heads, rows, size], [kv heads, rows, size] twice; not yet rotated
        group = q.shape[0] // k.shape[0]
        k, v = k.repeat_interleave(group, dim=0), v.repeat_interleave(group, dim=0)
        q = q * q.shape[-1] ** -0.5
        count = len(self.stored)
        stored, values = rotate(k[:, self.stored], cos[:count], sin[:count]).transpose(1, 2), v[:, self.stored]
        k, out = rotate(k, cos[self.local], sin[self.local]).transpose(1, 2), []
        for at, rows, kept, place, unfinished, mask in self.blocks:
            asked = q[:, at:at + rows]
            scores = [rotate(asked, cos[place], sin[place]) @ stored[:, :, :kept]]
            scores += [rotate(asked, cos[turn], sin[turn]) @ k[:, :, keys] for keys, turn in unfinished]
            share = torch.softmax(torch.cat(scores, dim=2).float() + mask, dim=-1).to(v.dtype)
            seen = torch.cat([values[:, :kept], *(v[:, keys] for keys, _ in unfinished)], dim=1)
            out.append(share @ seen)
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
