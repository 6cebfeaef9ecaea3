-- Each owner (a connection, a session, a named secret) has a data key, wrapped by the master key.
-- `kid` names the data key, `master_kid` the master key. Credentials of before are not carried over.
CREATE TABLE data_key (
  organization_id TEXT NOT NULL,
  owner TEXT NOT NULL,
  kid TEXT NOT NULL UNIQUE,
  master_kid TEXT NOT NULL,
  wrapped TEXT NOT NULL,
  PRIMARY KEY (organization_id, owner)
) STRICT, WITHOUT ROWID;
CREATE INDEX data_key_by_master ON data_key (master_kid);

-- One row: the master key by which new data keys must be wrapped.
CREATE TABLE master_key (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  kid TEXT NOT NULL
) STRICT;

CREATE TABLE operator_secret (
  organization_id TEXT NOT NULL,
  name TEXT NOT NULL,
  sources TEXT NOT NULL,
  hosts TEXT NOT NULL,
  sealed TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  modified_at INTEGER NOT NULL,
  PRIMARY KEY (organization_id, name)
) STRICT, WITHOUT ROWID;

-- Rows are added with the change that they tell of, never changed, and dropped when they are old.
CREATE TABLE audit (
  no INTEGER PRIMARY KEY AUTOINCREMENT,
  at INTEGER NOT NULL,
  organization_id TEXT NOT NULL,
  principal TEXT NOT NULL,
  transport TEXT NOT NULL,
  operation TEXT NOT NULL,
  action TEXT NOT NULL,
  target_kind TEXT NOT NULL,
  target_id TEXT NOT NULL,
  connection_id TEXT,
  arguments_digest TEXT,
  outcome TEXT NOT NULL
) STRICT;
CREATE INDEX audit_by_connection ON audit (connection_id, no) WHERE connection_id IS NOT NULL;
CREATE INDEX audit_by_time ON audit (at);
CREATE TRIGGER audit_is_append_only BEFORE UPDATE ON audit
BEGIN
  SELECT raise(ABORT, 'audit rows are never changed');
END;
