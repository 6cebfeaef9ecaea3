-- The authorisation in a browser that was begun last for a connection. `link`, `state`, `browser` and
-- `claim` are digests; what they are digests of is not stored. `link` and `state` are gone once used.
CREATE TABLE auth_session (
  connection_no INTEGER PRIMARY KEY REFERENCES connection (no) ON DELETE CASCADE,
  method TEXT NOT NULL,
  link BLOB UNIQUE,
  state BLOB UNIQUE,
  browser BLOB,
  claim BLOB NOT NULL,
  sealed TEXT,
  redirect_url TEXT,
  syncs INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  completed_at INTEGER
) STRICT;

-- Who exchanges a connection's refresh token now: nobody else may send it meanwhile.
CREATE TABLE token_lease (
  connection_no INTEGER PRIMARY KEY REFERENCES connection (no) ON DELETE CASCADE,
  holder TEXT NOT NULL,
  until INTEGER NOT NULL
) STRICT;

-- The operator's own OAuth clients, one a source; `origin` is the only one that gets their secret.
CREATE TABLE oauth_client (
  short_name TEXT PRIMARY KEY,
  client_id TEXT NOT NULL,
  origin TEXT NOT NULL,
  sealed TEXT,
  created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Accounts at services that keep credentials. `options` is JSON without secrets.
CREATE TABLE auth_provider (
  organization_id TEXT NOT NULL,
  readable_id TEXT NOT NULL,
  kind TEXT NOT NULL,
  options TEXT NOT NULL,
  sealed TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  PRIMARY KEY (organization_id, readable_id)
) STRICT, WITHOUT ROWID;

ALTER TABLE connection ADD COLUMN auth_provider TEXT;

-- Whether the job has got a new token since its last checkpoint, because its own was refused.
ALTER TABLE job ADD COLUMN renewed INTEGER NOT NULL DEFAULT 0;
