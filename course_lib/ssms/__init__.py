"""State space models: a sequence read step by step into a state of constant size.

Read `discretise` first, then `linear`, the same system three ways; `scan`, how a recurrence is computed in
parallel; `hippo` and `s4d`, what a fixed system remembers; `selective`, the system that its input steers (Mamba),
and `duality`, where it turns out to be attention (Mamba-2). `selective_gradient` and `duality_gradient` hold what
makes these two fast.
"""
