"""The time that a test waits for what must happen.

It is long because a busy machine is slow, and it measures nothing: a test that fails by it found
something that does not happen at all. What Weft promises in seconds is measured by the benchmarks.
"""

PATIENCE_SECONDS = 60.0
