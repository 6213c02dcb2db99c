"""What transformers computes for the tiny models of `nightjar model synth`, written small enough to
be committed: tests/oracle/logits/NAME.txt, which tests/engine/test_oracle.c reads.

Needs torch and transformers; run by hand from the root of the tree after a build with tests:
    python tests/oracle/logits.py build/dev            # writes the files
    python tests/oracle/logits.py build/dev compare    # compares every logit, prints the errors

A file has, for each prompt of tests/engine/prompt.h,
    prompt P TOKENS
    bf16 RMS MAX            error of transformers in bf16 against transformers in fp32, all logits
    row GREATEST-ID GREATEST SAMPLED PROJECTED        one for each token, fp32:
        the greatest logit, that of id 37 * row mod vocabulary, and the sum of all logits with the
        signs of sign(id), over the root of the vocabulary
    next ID GAP             64 greedy tokens, and how far each is above the second
"""
import os
import subprocess
import sys
import tempfile

# tokenizers.py beside this file has the name of a library that transformers imports.
sys.path = [p for p in sys.path if os.path.abspath(p or ".") != os.path.dirname(os.path.abspath(__file__))]

import numpy  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402

NAMES = ["tiny-llama", "tiny-llama3", "tiny-llama-bias", "tiny-mistral", "tiny-qwen2", "tiny-qwen3"]
LENGTHS = [1, 7, 64, 300, 700]
CONTINUED, SEED = 64, 7


def mixed(x):
    x = x * 2654435761 & 0xFFFFFFFF
    x ^= x >> 15
    x = x * 2246822519 & 0xFFFFFFFF
    return x ^ x >> 13


def tokens(prompt, vocabulary):
    return [mixed(prompt * 1000003 + i) % vocabulary for i in range(LENGTHS[prompt])]


def signs(vocabulary):
    return numpy.array([1.0 if mixed(i) & 1 else -1.0 for i in range(vocabulary)])


def load(folder, dtype):
    return transformers.AutoModelForCausalLM.from_pretrained(
        folder, dtype=dtype, attn_implementation="eager").eval()


@torch.no_grad()
def logits(model, ids):
    return model(torch.tensor([ids])).logits[0].float().numpy().astype(numpy.float64)


def rms(x):
    return float(numpy.sqrt((x * x).mean()))


def continued(model, ids):
    lines = []
    for _ in range(CONTINUED):
        last = logits(model, ids)[-1]
        best = int(last.argmax())
        second = numpy.partition(last, -2)[-2]
        lines.append(f"next {best} {last[best] - second:.5f}")
        ids = ids + [best]
    return lines


def write(name, folder):
    exact, rounded = load(folder, torch.float32), load(folder, torch.bfloat16)
    vocabulary = exact.config.vocab_size
    lines = [f"# torch {torch.__version__}, transformers {transformers.__version__}, by logits.py"]
    for prompt, length in enumerate(LENGTHS):
        ids = tokens(prompt, vocabulary)
        z = logits(exact, ids)
        error = logits(rounded, ids) - z
        lines.append(f"prompt {prompt} {length}")
        lines.append(f"bf16 {rms(error):.5f} {abs(error).max():.5f}")
        projected = z @ signs(vocabulary) / vocabulary ** 0.5
        for row in range(length):
            best = int(z[row].argmax())
            sampled = z[row][37 * row % vocabulary]
            lines.append(f"row {best} {z[row][best]:.5f} {sampled:.5f} {projected[row]:.5f}")
        lines += continued(exact, ids)
    with open(f"tests/oracle/logits/{name}.txt", "w") as file:
        file.write("\n".join(lines) + "\n")


def ours(build, folder, compute, prompt, vocabulary):
    raw = subprocess.run([f"{build}/tests/show_logits", folder, "cpu", compute, str(prompt)],
                         capture_output=True, check=True).stdout
    return numpy.frombuffer(raw, numpy.float32).reshape(-1, vocabulary).astype(numpy.float64)


def compare(name, folder, build):
    exact, rounded = load(folder, torch.float32), load(folder, torch.bfloat16)
    vocabulary = exact.config.vocab_size
    for prompt, length in enumerate(LENGTHS):
        ids = tokens(prompt, vocabulary)
        z = logits(exact, ids)
        fp32 = ours(build, folder, "fp32", prompt, vocabulary) - z
        bf16 = ours(build, folder, "bf16", prompt, vocabulary) - z
        theirs = logits(rounded, ids) - z
        print(f"{name} {length} tokens: fp32 max {abs(fp32).max():.1e}, bf16 ours rms {rms(bf16):.4f} "
              f"max {abs(bf16).max():.3f}, theirs rms {rms(theirs):.4f} max {abs(theirs).max():.3f}")


def main():
    build = sys.argv[1]
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as root:
        for name in NAMES:
            folder = os.path.join(root, name)
            subprocess.run([f"{build}/nightjar", "model", "synth", "--config", name, "-o", folder,
                            "--seed", str(SEED)], check=True)
            if sys.argv[2:] == ["compare"]:
                compare(name, folder, build)
            else:
                write(name, folder)


main()
