"""The Llama family in plain PyTorch, small enough to train on two cores; names are those of transformers."""
import torch
from torch import nn
from torch.nn import functional


class Config:
    def __init__(self, vocabulary=1376, hidden=192, layers=8, heads=6, kv_heads=2, head_size=32, feed_forward=512,
                 context=8192, theta=10000.0, epsilon=1e-6):
        self.__dict__.update({k: v for k, v in locals().items() if k != "self"})

    def hugging_face(self, begin, end, pad):
        return dict(architectures=["LlamaForCausalLM"], model_type="llama", vocab_size=self.vocabulary,
                    hidden_size=self.hidden, num_hidden_layers=self.layers, num_attention_heads=self.heads,
                    num_key_value_heads=self.kv_heads, head_dim=self.head_size, intermediate_size=self.feed_forward,
                    max_position_embeddings=self.context, rope_theta=self.theta, rms_norm_eps=self.epsilon,
                    hidden_act="silu", attention_bias=False, mlp_bias=False, tie_word_embeddings=True,
                    torch_dtype="bfloat16", bos_token_id=begin, eos_token_id=end, pad_token_id=pad)


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

    def forward(self, x, cos, sin):
        c, (batch, length, _) = self.c, x.shape
        y = self.input_layernorm(x)
        q = self.q_proj(y).view(batch, length, c.heads, c.head_size).transpose(1, 2)
        k = self.k_proj(y).view(batch, length, c.kv_heads, c.head_size).transpose(1, 2)
        v = self.v_proj(y).view(batch, length, c.kv_heads, c.head_size).transpose(1, 2)
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        group = c.heads // c.kv_heads
        k, v = k.repeat_interleave(group, dim=1), v.repeat_interleave(group, dim=1)
        y = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.o_proj(y.transpose(1, 2).reshape(batch, length, -1))
        y = self.post_attention_layernorm(x)
        return x + self.down_proj(functional.silu(self.gate_proj(y)) * self.up_proj(y))


class Model(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.c = c
        self.embed_tokens = nn.Embedding(c.vocabulary, c.hidden)
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

    def forward(self, tokens):  # [batch, length] -> hidden states
        x = self.embed_tokens(tokens)
        length = tokens.shape[1]
        cos, sin = self.cos[:length].to(x.dtype), self.sin[:length].to(x.dtype)
        for layer in self.layers:
            x = layer(x, cos, sin)
        return self.norm(x)

    def loss(self, tokens, targets, counts):
        """Mean over the tokens that count; targets [batch, length], counts in 0 and 1."""
        hidden = self.forward(tokens)
        chosen = counts.bool()
        logits = functional.linear(hidden[chosen], self.embed_tokens.weight)
        return functional.cross_entropy(logits.float(), targets[chosen])

    def tensors(self):
        """By transformers' names, in bf16."""
        out = {"model.embed_tokens.weight": self.embed_tokens.weight, "model.norm.weight": self.norm.weight}
        for i, layer in enumerate(self.layers):
            for name, p in layer.named_parameters():
                place = "" if "layernorm" in name else "self_attn." if name[0] in "qkvo" else "mlp."
                out[f"model.layers.{i}.{place}{name}"] = p
        return {name: p.detach().to(torch.bfloat16).contiguous() for name, p in out.items()}
