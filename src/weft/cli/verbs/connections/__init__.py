"""`weft connections` and the verbs below it."""
