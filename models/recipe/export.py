"""Writes a trained model as a Hugging Face folder in bf16, as `nightjar run` reads it.

    python export.py --weights run/last.pt -o models/countdown
"""
import argparse
import json
import os

import torch
from safetensors.torch import save_file

import tokenizer
from model import Config, Model


def write(folder, name, value):
    with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
        json.dump(value, file, ensure_ascii=False, indent=1)
        file.write("\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", required=True)
    parser.add_argument("-o", "--output", required=True)
    arguments = parser.parse_args()
    os.makedirs(arguments.output, exist_ok=True)
    vocabulary = tokenizer.build()["model"]["vocab"]
    kept = torch.load(arguments.weights, weights_only=True)
    model = Model(Config(**kept["shape"]), [vocabulary[str(n)] for n in range(1000)])
    model.load_state_dict(kept["model"])
    begin, end, pad = (vocabulary[name] for name in (tokenizer.BEGIN, tokenizer.END, tokenizer.PAD))
    write(arguments.output, "config.json", model.c.hugging_face(begin, end, pad))
    write(arguments.output, "generation_config.json", dict(bos_token_id=begin, eos_token_id=end, pad_token_id=pad))
    write(arguments.output, "tokenizer.json", tokenizer.build())
    tensors = {name: t.detach().to(torch.bfloat16).contiguous() for name, t in model.tensors().items()}
    save_file(tensors, os.path.join(arguments.output, "model.safetensors"), metadata=dict(format="pt"))


if __name__ == "__main__":
    main()
