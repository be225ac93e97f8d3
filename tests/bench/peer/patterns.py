"""Exact sparse attention by hand over scaled_dot_product_attention: the best that PyTorch can train on a CPU. Each
pattern is cut into dense parts, so that only visible pairs (and a causal half of a part) are computed. Formulas as in
nn/patterns. q, k, v: [batch, heads, tokens, width], as many heads of each; tokens are a multiple of all parts here."""
import torch
from torch.nn.functional import scaled_dot_product_attention as sdpa


def local(q, k, v, chunk):
    b, h, t, d = q.shape
    cut = lambda x: x.reshape(b, h, t // chunk, chunk, d).flatten(0, 2).unsqueeze(1)  # noqa: E731
    return sdpa(cut(q), cut(k), cut(v), is_causal=True).reshape(b, h, t, d)


def crossed(q, k, v, chunk):
    """Queries of a chunk see the keys of the chunk that begins half a chunk earlier: its first half whole, and of their
    own first half what is not later than they are. The first chunk has no keys before it."""
    b, h, t, d = q.shape
    half, n = chunk // 2, t // chunk
    pad = torch.zeros(b, h, half, d, dtype=q.dtype)
    cut = lambda x: torch.cat([pad, x[:, :, :-half]], 2).reshape(b, h, n, chunk, d)  # noqa: E731
    keys, values, queries = cut(k), cut(v), q.reshape(b, h, n, chunk, d)
    i = torch.arange(chunk)
    mask = (i[None, :] - half <= i[:, None]).expand(n, chunk, chunk).clone()
    mask[0, :, :half] = False
    flat = lambda x: x.reshape(b * h, n, chunk, d)  # noqa: E731
    return sdpa(flat(queries), flat(keys), flat(values), attn_mask=mask).reshape(b, h, t, d)


def scca_fixed(q, k, v, chunk):
    half = q.shape[1] // 2
    return torch.cat([local(q[:, :half], k[:, :half], v[:, :half], chunk),
                      crossed(q[:, half:], k[:, half:], v[:, half:], chunk)], 1)


def sda(q, k, v, dilation):
    """Head h: the keys whose distance from the query leaves h mod r when divided by r."""
    b, h, t, d = q.shape
    r, out = dilation, torch.empty_like(q)
    for shift in range(r):
        heads = slice(shift, h, r)
        for residue in range(r):
            queries, key_residue = q[:, heads, residue::r], (residue - shift) % r
            keys, values = k[:, heads, key_residue::r], v[:, heads, key_residue::r]
            if key_residue <= residue:  # key number j of the class is not later than query number i for j <= i
                part = sdpa(queries, keys, values, is_causal=True)
            else:  # for j < i
                mask = torch.ones(t // r, t // r, dtype=torch.bool).tril(-1)
                part = torch.nan_to_num(sdpa(queries, keys, values, attn_mask=mask))
            out[:, heads, residue::r] = part
    return out


def longmixed(q, k, v, chunk):
    h = q.shape[1]
    shares = [h * 2 // 4, h // 4, h - h * 2 // 4 - h // 4]
    a, b, c = zip(*(x.split(shares, 1) for x in (q, k, v)))  # each: q, k, v of a share
    return torch.cat([scca_fixed(*a, chunk), sda(*b, 2), sda(*c, 4)], 1)


def attention_of(name, tokens):
    """f(q, k, v), or None for full attention."""
    return {"full": None,
            "scca-fixed": lambda q, k, v: scca_fixed(q, k, v, tokens // 4),
            "sda": lambda q, k, v: sda(q, k, v, 4),
            "longmixed": lambda q, k, v: longmixed(q, k, v, tokens // 4)}[name]
