"""Drawing tokens: one after the other with and without a cache, and all at once in a few rounds.

The networks are those of the recipes fashion_raster and fashion_maskgit (four blocks of 64 features, 256 codes), for
7 x 7 tokens and for 14 x 14. Without a cache each token costs a pass over all tokens before it, as one would first
write it. x-transformers' decoder has the same sizes and a cache of its own.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from benchmarks import peers
from benchmarks.contest import OURS, Contest, Setting, with_work
from benchmarks.timing import Job
from course_lib.model import last
from course_lib.transformers.maskgit import MaskGit
from course_lib.transformers.prior import drawn
from course_lib.transformers.raster import Raster

SIZES = {"codes": 256, "width": 64, "depth": 4, "heads": 4}
MAPS = 8
ROUNDS = 8


def run(setting: Setting) -> Iterator[dict]:
    """Rows for 49 tokens and for 196."""
    n = setting.pick(MAPS, 2)
    for side in (7, 14) if not setting.smoke else (3,):
        raster, maskgit = (kind(**SIZES, side=side).to(setting.device).eval() for kind in (Raster, MaskGit))
        jobs = {
            OURS: lambda raster=raster: last(raster.sample(n)),
            "course, no cache": without_cache(raster, n),
            f"course, MaskGIT in {ROUNDS} rounds": lambda maskgit=maskgit: last(maskgit.sample(n, steps=ROUNDS)),
        }
        there, _ = peers.found({"x-transformers": lambda side=side: another(side, n, setting)})
        yield from with_work(Contest(f"{n} maps of {side**2} tokens", jobs | there, n * side**2)).held(setting)


def without_cache(raster: Raster, n: int) -> Job:
    """A pass over the whole beginning for each token."""
    y = torch.arange(n, device=raster.device) % raster.classes

    @torch.no_grad()
    def sampled() -> Tensor:
        tokens = torch.zeros(n, 0, dtype=torch.int64, device=raster.device)
        for _ in range(raster.side**2):
            padded = torch.cat([tokens, tokens.new_zeros(n, 1)], dim=1)  # the last is not looked at
            tokens = torch.cat([tokens, drawn(raster.logits(padded, y)[:, -1])[:, None]], dim=1)
        return tokens

    return sampled


def another(side: int, n: int, setting: Setting) -> Job:
    from x_transformers import AutoregressiveWrapper, Decoder, TransformerWrapper

    layers = Decoder(dim=SIZES["width"], depth=SIZES["depth"], heads=SIZES["heads"], attn_dim_head=16)
    network = TransformerWrapper(num_tokens=SIZES["codes"], max_seq_len=side**2 + 1, attn_layers=layers)
    decoder = AutoregressiveWrapper(network).to(setting.device).eval()
    start = torch.zeros(n, 1, dtype=torch.int64, device=setting.device)
    return lambda: decoder.generate(start, side**2, cache_kv=True)
