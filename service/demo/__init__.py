"""Fleet whose truth is known: simulated, reported as real devices do, and posted as such.

plan -> fleet -> (weather, habits, physics) -> sessions -> reports -> simulation -> posting
"""
