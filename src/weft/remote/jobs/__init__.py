"""Run and read the jobs of one connection, or of all."""
