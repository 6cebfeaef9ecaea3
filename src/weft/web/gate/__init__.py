"""The gate before every route: host, origin, token, rate, slots and body."""
