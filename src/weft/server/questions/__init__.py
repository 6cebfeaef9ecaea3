"""The questions that tools ask: configuration, authorization, a new host."""
