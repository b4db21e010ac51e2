"""How long a run trains between two commits."""

FIRST_SPAN_SECONDS = 0.1
"""The first span of a run; each of the next is twice as long as the one before."""
LONGEST_SPAN_SECONDS = 1.0
LONGEST_SPAN_OF_LARGE_STATE_SECONDS = 30.0
STORED_BYTES_PER_SECOND = 250e6
"""How fast a database is expected to store a resume state."""
SPAN_TO_STORING = 40
"""Spans of a large state are this much longer than storing it takes."""
