"""transformers' LLaMA, and its other families, with rows that have no key, and in f64 where it insists on f32."""

import contextlib
import importlib
from unittest import mock

import torch
import torch.nn.functional as F


def attention(module, query, key, value, attention_mask, scaling, dropout=0.0, **kwargs):
    """As eager_attention_forward, with the softmax in the inputs' dtype and zero for a row without a key."""
    key = key.repeat_interleave(module.num_key_value_groups, dim=1)
    value = value.repeat_interleave(module.num_key_value_groups, dim=1)
    scores = query @ key.transpose(2, 3) * scaling + attention_mask
    has_key = (attention_mask == 0).any(dim=-1, keepdim=True)
    weights = F.softmax(scores, dim=-1) * has_key
    return (weights @ value).transpose(1, 2).contiguous(), weights


def exact_norm(self, x):
    return self.weight * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.variance_epsilon))


def exact_rope(self, x, position_ids):
    rope = self.config.rope_parameters
    d = getattr(self.config, "head_dim", None) or self.config.hidden_size // self.config.num_attention_heads
    inverse = rope["rope_theta"] ** (-torch.arange(0, d, 2, dtype=torch.float64) / d)
    inverse = inverse / rope.get("factor", 1.0)
    angles = position_ids[..., None] * inverse
    angles = torch.cat((angles, angles), dim=-1)
    return angles.cos(), angles.sin()


@contextlib.contextmanager
def arithmetic(dtype, sparse=False, family="Llama"):
    name = family.lower()
    modeling = importlib.import_module(f"transformers.models.{name}.modeling_{name}")
    with contextlib.ExitStack() as stack:
        if sparse or dtype == torch.float64:
            stack.enter_context(mock.patch.object(modeling, "eager_attention_forward", attention))
        if dtype == torch.float64:
            stack.enter_context(mock.patch.object(getattr(modeling, family + "RMSNorm"), "forward", exact_norm))
            stack.enter_context(mock.patch.object(getattr(modeling, family + "RotaryEmbedding"), "forward", exact_rope))
        yield
