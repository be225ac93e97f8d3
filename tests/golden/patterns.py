"""The sparse patterns as predicates, written from their definition and from no plan.

sees(h, heads, i, j): may head h of `heads` let query i read key j. j <= i is asked for in visible_mask.
Beside each the spec by which the C++ side makes the same pattern.
"""

import math

import torch

BATCH, TOKENS = 2, 33
CHUNK = 8
CHUNKS = math.ceil(TOKENS / CHUNK)


def local(h, heads, i, j):
    return i // CHUNK == j // CHUNK


def s2(h, heads, i, j):
    move = 0 if h < heads // 2 else CHUNK // 2
    return (i + move) // CHUNK == (j + move) // CHUNK


def scca_fixed(h, heads, i, j):
    if h < heads // 2:
        return local(h, heads, i, j)
    start = i // CHUNK * CHUNK
    return start - CHUNK // 2 <= j < start + CHUNK - CHUNK // 2


def scca_flow(h, heads, i, j):
    return j // CHUNK == i // CHUNK - h % CHUNKS


def scca_flow_local(h, heads, i, j):
    return scca_flow(h if i // CHUNK >= h % CHUNKS else 0, heads, i, j)


def sda(dilation):
    return lambda h, heads, i, j: (i - h % dilation - j) % dilation == 0


def longmixed(h, heads, i, j):
    half, quarter = heads // 2, heads // 4
    if h < half:
        return scca_fixed(h, half, i, j)
    if h < half + quarter:
        return sda(2)(h - half, quarter, i, j)
    return sda(4)(h - half - quarter, heads - half - quarter, i, j)


PATTERNS = {
    "local": ("local(chunk=8)", local),
    "window": ("window(chunk=8)", lambda h, heads, i, j: i - j < CHUNK),
    "s2": ("s2(chunk=8)", s2),
    "scca-fixed": ("scca-fixed(chunk=8)", scca_fixed),
    "scca-flow": ("scca-flow(chunk=8)", scca_flow),
    "scca-flow-local": ("scca-flow(chunk=8,early=local)", scca_flow_local),
    "dilated": ("dilated(dilation=3)", lambda h, heads, i, j: j % 3 == h % 3),
    "sda": ("sda(dilation=3)", sda(3)),
    "longmixed": ("longmixed(chunk=8)", longmixed),
}
EMPTY_ROWS = {"scca-flow", "dilated", "sda"}


def visible_mask(sees, heads):
    """[B, H, T, T] of bool: may head h's query i read key j."""
    mask = torch.zeros(heads, TOKENS, TOKENS, dtype=torch.bool)
    for h in range(heads):
        for i in range(TOKENS):
            for j in range(i + 1):
                mask[h, i, j] = sees(h, heads, i, j)
    return mask.expand(BATCH, -1, -1, -1)


def additive(mask, dtype):
    """What transformers adds to the scores. Not -inf: a row without a key would turn into NaN."""
    return torch.zeros(mask.shape, dtype=dtype).masked_fill(~mask, torch.finfo(dtype).min)
