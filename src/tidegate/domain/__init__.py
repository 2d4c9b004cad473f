"""The nouns of Tidegate: frozen dataclasses and their invariants. Pure: no I/O, no clock, no randomness."""
