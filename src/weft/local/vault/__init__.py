"""Encrypts credentials at rest.

A sealed text is `v1.KID.NONCE.CIPHERTEXT` (AES-256-GCM, base64url), where KID names the data key of
its owner: a connection, a session, a named secret. Data keys are stored wrapped by the master key,
which is kept elsewhere. A sealed text is bound to its place: moved to another owner, field or
endpoint, it does not open.

This protects a copied database, backup or disk without the master key. It does not protect against
someone who can read the master key or this process's memory.
"""
