"""Puts Weft together. Only this package imports both fronts and backends."""
