"""State space models: a sequence read step by step into a state of constant size.

Read `discretise` first, then `linear`, the same system three ways; `scan`, how a recurrence is computed in
parallel; `hippo` and `s4d`, what a fixed system remembers; `selective`, the system that its input steers, and
`duality`, where it turns out to be attention. `selective_gradient` and `duality_gradient` hold what makes these two
fast.

Then the blocks, `mamba`, `mamba2` and `s4block`, stacked by `backbone`; and what they are put to: `recall`, tasks
that need a choice, `pixels`, images as lines of pixels, and `video`, the next frame.
"""
