"""The Llama family in plain PyTorch, small enough to train on two cores; names are those of transformers.

The rows of the integers 0 to 999 in the embedding, which is also the head, are a free part plus a learned map of fixed
features (residues as points on circles, magnitude), so that what is learned of one number serves its neighbours and those
of the same residue (compare Fourier number embeddings, arXiv:2502.09741). The two are added up for export: the model that
ships is a plain Llama.
"""
import math

import torch
from torch import nn
from torch.nn import functional


class Config:
    def __init__(self, vocabulary=1376, hidden=256, layers=4, heads=4, kv_heads=2, head_size=64, feed_forward=768,
                 context=8192, theta=10000.0, epsilon=1e-6):
        self.__dict__.update({k: v for k, v in locals().items() if k != "self"})

    def hugging_face(self, begin, end, pad):
        return dict(architectures=["LlamaForCausalLM"], model_type="llama", vocab_size=self.vocabulary,
                    hidden_size=self.hidden, num_hidden_layers=self.layers, num_attention_heads=self.heads,
                    num_key_value_heads=self.kv_heads, head_dim=self.head_size, intermediate_size=self.feed_forward,
                    max_position_embeddings=self.context, rope_theta=self.theta, rms_norm_eps=self.epsilon,
                    hidden_act="silu", attention_bias=False, mlp_bias=False, tie_word_embeddings=True,
                    torch_dtype="bfloat16", bos_token_id=begin, eos_token_id=end, pad_token_id=pad)


PERIODS = [2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 15, 20, 25, 50, 100, 200, 500, 1000, 2000]
LOG_WAVES = 12


def number_features():
    """[1000, features], each row of length one."""
    n = torch.arange(1000, dtype=torch.float64)
    magnitude = torch.log(n + 1) / math.log(1000)
    angles = [2 * math.pi * n / p for p in PERIODS] + [math.pi * k * magnitude for k in range(1, LOG_WAVES + 1)]
    rows = torch.stack([wave(angle) for angle in angles for wave in (torch.cos, torch.sin)], dim=1)
    return (rows / len(angles) ** 0.5).float()


class Norm(nn.Module):
    def __init__(self, width, epsilon):
        super().__init__()
        self.weight, self.epsilon = nn.Parameter(torch.ones(width)), epsilon

    def forward(self, x):  # [..., width]
        wide = x.float()
        return (wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + self.epsilon) * self.weight).to(x.dtype)


def rotate(x, cos, sin):  # x [batch, heads, length, size]; halves as in transformers
    first, second = x.chunk(2, dim=-1)
    return torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1)


def causal(cos, sin):
    """Attention to all that stands before: q [batch, heads, length, size], k and v of fewer heads."""
    def attend(q, k, v):
        group, length = q.shape[1] // k.shape[1], q.shape[2]
        q, k = rotate(q, cos[:length], sin[:length]), rotate(k, cos[:length], sin[:length])
        k, v = k.repeat_interleave(group, dim=1), v.repeat_interleave(group, dim=1)
        with torch.autocast("cpu", enabled=False):  # fused attention of fp32 is the faster one on a CPU
            return functional.scaled_dot_product_attention(q.float(), k.float(), v.float(), is_causal=True).to(q.dtype)
    return attend


class Layer(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.c = c
        queries, keys = c.heads * c.head_size, c.kv_heads * c.head_size
        self.input_layernorm = Norm(c.hidden, c.epsilon)
        self.post_attention_layernorm = Norm(c.hidden, c.epsilon)
        self.q_proj = nn.Linear(c.hidden, queries, bias=False)
        self.k_proj = nn.Linear(c.hidden, keys, bias=False)
        self.v_proj = nn.Linear(c.hidden, keys, bias=False)
        self.o_proj = nn.Linear(queries, c.hidden, bias=False)
        self.gate_proj = nn.Linear(c.hidden, c.feed_forward, bias=False)
        self.up_proj = nn.Linear(c.hidden, c.feed_forward, bias=False)
        self.down_proj = nn.Linear(c.feed_forward, c.hidden, bias=False)

    def forward(self, x, attend):
        c, (batch, length, _) = self.c, x.shape
        y = self.input_layernorm(x)
        q = self.q_proj(y).view(batch, length, c.heads, c.head_size).transpose(1, 2)
        k = self.k_proj(y).view(batch, length, c.kv_heads, c.head_size).transpose(1, 2)
        v = self.v_proj(y).view(batch, length, c.kv_heads, c.head_size).transpose(1, 2)
        x = x + self.o_proj(attend(q, k, v).transpose(1, 2).reshape(batch, length, -1))
        y = self.post_attention_layernorm(x)
        return x + self.down_proj(functional.silu(self.gate_proj(y)) * self.up_proj(y))


class Model(nn.Module):
    def __init__(self, c, numbers):
        """numbers: the ids of 0 to 999."""
        super().__init__()
        self.c = c
        features = number_features()
        spread = torch.zeros(c.vocabulary, features.shape[1])
        spread[torch.tensor(numbers)] = features
        self.register_buffer("features", spread, persistent=False)
        self.embed_tokens = nn.Embedding(c.vocabulary, c.hidden)
        self.numbers = nn.Linear(features.shape[1], c.hidden, bias=False)
        self.layers = nn.ModuleList(Layer(c) for _ in range(c.layers))
        self.norm = Norm(c.hidden, c.epsilon)
        for p in self.parameters():
            if p.dim() > 1:
                nn.init.normal_(p, std=0.02)
        for layer in self.layers:  # residual branches start small
            for branch in (layer.o_proj, layer.down_proj):
                nn.init.normal_(branch.weight, std=0.02 / (2 * c.layers) ** 0.5)
        angle = torch.outer(torch.arange(c.context).float(),
                            c.theta ** (-torch.arange(0, c.head_size, 2).float() / c.head_size))
        self.register_buffer("cos", angle.cos(), persistent=False)
        self.register_buffer("sin", angle.sin(), persistent=False)

    def table(self):
        """The embedding as it is used: [vocabulary, hidden]."""
        return self.embed_tokens.weight + functional.linear(self.features, self.numbers.weight)

    def forward(self, tokens, table, attention=causal):
        """[batch, length] -> hidden states. attention: makes what attends of the rotations by position, [context, size / 2]."""
        x = functional.embedding(tokens, table)
        attend = attention(self.cos.to(x.dtype), self.sin.to(x.dtype))
        for layer in self.layers:
            x = layer(x, attend)
        return self.norm(x)

    def loss(self, tokens, targets, counts, attention=causal):
        """Mean over the tokens that count; targets [batch, length], counts in 0 and 1."""
        table = self.table()
        hidden = self.forward(tokens, table, attention)
        chosen = counts.bool()
        logits = functional.linear(hidden[chosen], table)
        return functional.cross_entropy(logits.float(), targets[chosen])

    def tensors(self):
        """By transformers' names."""
        out = {"model.embed_tokens.weight": self.table(), "model.norm.weight": self.norm.weight}
        for i, layer in enumerate(self.layers):
            for name, p in layer.named_parameters():
                place = "" if "layernorm" in name else "self_attn." if name[0] in "qkvo" else "mlp."
                out[f"model.layers.{i}.{place}{name}"] = p
        return out

    def load(self, stored):
        """What was exported. The rows of the integers are whole: nothing is added to them from then on."""
        with torch.no_grad():
            self.numbers.weight.zero_()
            for name, tensor in self.tensors().items():
                place = self.embed_tokens.weight if name == "model.embed_tokens.weight" else tensor
                place.copy_(stored[name])
