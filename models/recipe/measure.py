"""How well the traces of a model are written, from a store: lines of the grammar, operations, and what is lost on the way.

    build/nightjar export traces --db nightjar.db --format jsonl | python measure.py

One row a condition. Of the lines that a model wrote (prompts and what it was fed are not its own, a last line that a limit
cut is none): the share that the grammar does not allow; of the operations shown, with a wrong result, with operands that are
not in the state they are applied to, with a wrong list of what is left, shown twice at one state; of the nodes visited, those
that were never generated or whose state is not as it was generated. Of workers that read each other, whose nodes are those that
any of them generated: the share that wrote a line that the grammar does not allow, and of the nodes visited before a goal those
that the same worker had moved to before.
"""
import collections
import itertools
import json
import re
import sys

NUMBERS = r"\d+(?:, \d+)*"
ID = r"0(?:,\d+)*"
OPERATION = r"(\d+)([-+*/])(\d+)=(\d+)"
LABEL = re.compile(r"(?:Token Budget: \d+ )?(?:Sub Call Budget: \d+ )?")
STATE = re.compile(rf"(?:Moving to Node #({ID})|Current State: (\d+):\[({NUMBERS})\], Operations: \[(?:'{OPERATION}'(?:, '{OPERATION}')*)?\])")
EXPLORE = re.compile(rf"Exploring Operation: {OPERATION}, Resulting Numbers: \[({NUMBERS})\]")
GENERATED = re.compile(rf"Generated Node #({ID}): \d+:\[({NUMBERS})\] Operation: {OPERATION}")
START = re.compile(rf"Start Sub Search at level \d+: Moving to Node #({ID})")
OTHERS = re.compile(rf"\d+,\d+ (?:unequal: No Solution|equal: Goal Reached)|No solution found\.|Exit Sub Search at level \d+|"
                    rf"No solution found in sub search|<Calling Sub Searches>|<Start Sub Search \d+ at level 1> Moving to Node "
                    rf"#{ID}|<End Calling Sub Searches>|<Sub Searches>|<(?:Goal Reached|No Solution) in Sub Search \d+ at level 1 "
                    rf"at Node #{ID}>|<End Sub Searches>")


def value(a, sign, b):
    if sign == "/":
        return a // b if b and a % b == 0 else None
    return a + b if sign == "+" else a * b if sign == "*" else a - b


def left(numbers, a, b, result):
    """The list that an operation leaves, or None where the operands are not in it."""
    rest = list(numbers)
    for operand in (a, b):
        if operand not in rest:
            return None
        rest.remove(operand)
    return rest + [result]


def generated_in(text):
    return {g[1]: g[2] for g in map(GENERATED.fullmatch, text.split("\n")) if g}


def measure(record, row, others):
    """others: the nodes that other workers generated."""
    text, nodes, state, shown, moves = record["text"], collections.ChainMap({}, others), [], set(), set()
    at, visited, malformed, is_searching = 0, None, row["malformed"], True
    spans = [(s[3], s[3] + s[4]) for s in record["layout"] if s[0] == "generated"]
    for line in text.split("\n"):
        start, at = at, at + len(line.encode()) + 1
        own = any(a <= start and at <= b for a, b in spans)  # with its newline: a last line without may be cut
        line = LABEL.sub("", line, count=1)
        if not line:
            continue
        state_of, explore, generated, sub = (p.fullmatch(line) for p in (STATE, EXPLORE, GENERATED, START))
        row["lines"] += own
        row["malformed"] += own and not (state_of or explore or generated or sub or OTHERS.fullmatch(line))
        if generated:
            nodes[generated[1]] = generated[2]
        moved = sub[1] if sub else state_of[1] if state_of else None
        is_searching &= not line.endswith(" equal: Goal Reached")
        if moved is not None:
            row["visits"] += own
            row["searched"] += own and is_searching
            row["moved to before"] += own and is_searching and moved in moves
            moves.add(moved)
            row["unknown nodes"] += own and moved != "0" and moved not in nodes
            visited = moved
        elif state_of:
            row["wrong states"] += own and visited is not None and visited in nodes and nodes[visited] != state_of[3]
            state, shown = [int(n) for n in state_of[3].split(", ")], set()
        elif explore:
            a, sign, b, result = int(explore[1]), explore[2], int(explore[3]), int(explore[4])
            rest = left(state, a, b, result)
            row["operations"] += own
            row["wrong results"] += own and value(a, sign, b) != result
            row["foreign operands"] += own and rest is None
            row["wrong lists"] += own and rest is not None and explore[5] != ", ".join(map(str, rest))
            row["twice"] += own and (a, sign, b) in shown
            shown.add((a, sign, b))
    row["workers"] += record["role"] == "worker"
    row["malformed workers"] += record["role"] == "worker" and row["malformed"] > malformed


def samples():
    """The texts of each sample; of a search without a model, which has no tokens, none."""
    records = map(json.loads, sys.stdin)
    records = (r for r in records if r["layout"] and len(r["layout"][0]) >= 5)
    for _, texts in itertools.groupby(records, key=lambda r: r["sample"]):
        yield list(texts)


def main():
    rows = collections.defaultdict(collections.Counter)
    for texts in samples():
        nodes = {r["thread"]: generated_in(r["text"]) for r in texts if r["role"] == "worker"}
        for record in texts:
            others = [of for thread, of in nodes.items() if record["thread"] in nodes and thread != record["thread"]]
            measure(record, rows[record["condition"]], collections.ChainMap(*others[::-1]))
    for name, row in rows.items():
        of = dict(zip(["malformed", "wrong results", "foreign operands", "wrong lists", "twice", "unknown nodes", "wrong states"],
                      ["lines"] + ["operations"] * 4 + ["visits"] * 2))
        print(f"{name}: {row['lines']} lines, {row['operations']} operations, {row['visits']} visits; " + ", ".join(
            f"{what} {100 * row[what] / max(1, row[whole]):.2f} %" for what, whole in of.items()))
        if row["workers"]:
            print(f"  {row['workers']} workers: {100 * row['malformed workers'] / row['workers']:.2f} % malformed, "
                  f"moved to before {100 * row['moved to before'] / max(1, row['searched']):.2f} %")


if __name__ == "__main__":
    main()
