"""Calling a student's functions in another process as if they stood here, gradients and all.

The grader never loads what a student wrote, so its tests talk to it over a socket:

    frames      bytes that carry a JSON header and raw numbers, with limits and deadlines
    mirrors     tensors that both sides hold, kept equal
    values      what travels by copy, and what only by number (functions, modules, generators)
    proxies     what stands here for a function, a module or a generator of the other side
    gradients   an exchange as a differentiable function: reverse mode, forward mode, of any order, in batches
    failures    how an error travels
    peer        one side of a conversation: it asks, and answers meanwhile
    worker      the student's side

Nothing is pickled and nothing evaluated; both sides run the same code, and only the grader's limits count.
"""
