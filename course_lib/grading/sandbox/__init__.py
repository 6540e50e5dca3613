"""Where a student's code runs: confined by the kernel, forked from a process that has never run any.

Read `tiers` (what is guaranteed), `host` (how the grader uses it), `nursery` (what runs inside) and
`confine` (what a child does to itself before the first line of a student's code).
"""
