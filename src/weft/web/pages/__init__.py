"""Pages for people: credentials, consent, and the dashboard's home."""
