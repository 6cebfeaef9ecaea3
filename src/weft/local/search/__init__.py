"""Search by words and by meaning: rankings of the store are joined, and what is alike is folded."""
