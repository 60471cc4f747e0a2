"""Kills the parts of a running stack at seeded random moments, and compares what comes of a feed with an undisturbed run.

``make chaos SEED=1 ROUNDS=11``. A *round* is one new feed of the same files, with several events of its plan on the way. After
it, everything that the feed has left behind must be what an undisturbed run (the *baseline*) left behind, times aside.
"""
