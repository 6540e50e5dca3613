"""Video: a state that is carried from frame to frame, and what it costs to carry it."""
