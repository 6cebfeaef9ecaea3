-- What Weft keeps for a remote API until a person has finished: claim tokens of authorisations that
-- began here, and connections that wait for credentials. `scope` is the API and the organisation
-- there, `link` the digest of an unused link. Whoever holds the lease works on it.
CREATE TABLE remote_note (
  scope TEXT NOT NULL,
  kind TEXT NOT NULL,
  id TEXT NOT NULL,
  organization_id TEXT NOT NULL,
  owner TEXT NOT NULL,
  sealed TEXT NOT NULL,
  link BLOB UNIQUE,
  expires_at INTEGER NOT NULL,
  holder TEXT,
  held_until INTEGER,
  PRIMARY KEY (scope, kind, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX remote_note_by_end ON remote_note (expires_at);
