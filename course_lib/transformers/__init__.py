"""Transformers: every part of an image looks at every other, and at the words that ask for it.

Read `nn.attention` first, then `positions` and `blocks`; then the decoders of tokens, `raster`, `maskgit` and
`scales`; then `dit`, and text to image: `text`, `text_to_image`, `clip`.
"""
