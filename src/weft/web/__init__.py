"""The HTTP front: who may come in, how much at once, and what the operator sees."""
