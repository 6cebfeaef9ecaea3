"""The demonstration: a real client drives the real server and checks what it sees."""
