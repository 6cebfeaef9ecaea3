-- Keys of principals that come over HTTP. A key itself is not stored, only its digest.
CREATE TABLE api_key (
  no INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  organization_id TEXT NOT NULL,
  role TEXT NOT NULL,
  digest BLOB NOT NULL UNIQUE,
  created_at INTEGER NOT NULL,
  revoked_at INTEGER
) STRICT;
CREATE UNIQUE INDEX api_key_one_live_per_name ON api_key (name) WHERE revoked_at IS NULL;
