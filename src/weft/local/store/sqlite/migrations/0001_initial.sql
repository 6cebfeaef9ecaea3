-- Times are microseconds since 1970 in UTC. `no` columns are internal numbers, `id` columns public.

CREATE TABLE collection (
  no INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  organization_id TEXT NOT NULL,
  readable_id TEXT NOT NULL,
  name TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  modified_at INTEGER NOT NULL,
  UNIQUE (organization_id, readable_id)
) STRICT;

-- `state` leaves out "syncing", which follows from a running job.
CREATE TABLE connection (
  no INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  organization_id TEXT NOT NULL,
  collection_no INTEGER NOT NULL REFERENCES collection (no),
  sync_id TEXT NOT NULL,
  short_name TEXT NOT NULL,
  name TEXT NOT NULL,
  description TEXT,
  config TEXT NOT NULL,
  auth_method TEXT NOT NULL,
  authenticated_at INTEGER,
  auth_expires_at INTEGER,
  redirect_url TEXT,
  credentials TEXT,
  state TEXT NOT NULL,
  error_category TEXT,
  error_message TEXT,
  cron TEXT,
  timezone TEXT NOT NULL DEFAULT 'UTC',
  continuous INTEGER NOT NULL DEFAULT 0,
  cursor_field TEXT,
  has_schedule INTEGER NOT NULL DEFAULT 0,
  next_run_at INTEGER,
  last_slot INTEGER,
  host TEXT NOT NULL,
  cursor TEXT,
  total_runs INTEGER NOT NULL DEFAULT 0,
  successful_runs INTEGER NOT NULL DEFAULT 0,
  failed_runs INTEGER NOT NULL DEFAULT 0,
  version INTEGER NOT NULL DEFAULT 1,
  created_at INTEGER NOT NULL,
  modified_at INTEGER NOT NULL
) STRICT;
CREATE INDEX connection_by_organization ON connection (organization_id, no DESC);
CREATE INDEX connection_by_collection ON connection (collection_no, no DESC);
CREATE INDEX connection_by_name ON connection (organization_id, name COLLATE NOCASE);

CREATE INDEX connection_due ON connection (next_run_at) WHERE next_run_at IS NOT NULL;

-- The truth about every run. `fence` grows with each claim: a writer with an older one is refused.
-- `checkpoint` is how far the job has come, with the counts up to there of what is not stored.
CREATE TABLE job (
  no INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  connection_no INTEGER NOT NULL REFERENCES connection (no) ON DELETE CASCADE,
  organization_id TEXT NOT NULL,
  status TEXT NOT NULL,
  trigger TEXT NOT NULL,
  slot INTEGER,
  force_full_sync INTEGER NOT NULL DEFAULT 0,
  full_sync INTEGER NOT NULL DEFAULT 1,
  created_at INTEGER NOT NULL,
  started_at INTEGER,
  completed_at INTEGER,
  inserted INTEGER NOT NULL DEFAULT 0,
  updated INTEGER NOT NULL DEFAULT 0,
  deleted INTEGER NOT NULL DEFAULT 0,
  unchanged INTEGER NOT NULL DEFAULT 0,
  skipped INTEGER NOT NULL DEFAULT 0,
  failed INTEGER NOT NULL DEFAULT 0,
  expected INTEGER,
  checkpoint TEXT,
  checkpoint_skipped INTEGER NOT NULL DEFAULT 0,
  checkpoint_failed INTEGER NOT NULL DEFAULT 0,
  listing INTEGER NOT NULL DEFAULT 0,
  incomplete INTEGER NOT NULL DEFAULT 0,
  attempts INTEGER NOT NULL DEFAULT 0,
  retry_at INTEGER,
  error TEXT,
  error_category TEXT,
  error_details TEXT,
  owner TEXT,
  fence INTEGER NOT NULL DEFAULT 0,
  lease_until INTEGER
) STRICT;
CREATE UNIQUE INDEX job_one_live_per_connection ON job (connection_no)
  WHERE status IN ('PENDING', 'RUNNING', 'CANCELLING');
CREATE UNIQUE INDEX job_one_per_slot ON job (connection_no, slot) WHERE slot IS NOT NULL;
CREATE INDEX job_live ON job (no) WHERE status IN ('PENDING', 'RUNNING', 'CANCELLING');
CREATE INDEX job_by_connection ON job (connection_no, no DESC);
CREATE INDEX job_by_organization ON job (organization_id, no DESC);

CREATE TABLE job_log (
  no INTEGER PRIMARY KEY,
  job_no INTEGER NOT NULL REFERENCES job (no) ON DELETE CASCADE,
  at INTEGER NOT NULL,
  level TEXT NOT NULL,
  message TEXT NOT NULL
) STRICT;
CREATE INDEX job_log_by_job ON job_log (job_no, no DESC);

-- Which entities a job has dealt with: arrays of 64-bit entity numbers, one a batch. A job that was
-- interrupted does not count them again; what the last `listing` did not name is deleted.
CREATE TABLE job_seen (
  no INTEGER PRIMARY KEY,
  job_no INTEGER NOT NULL REFERENCES job (no) ON DELETE CASCADE,
  listing INTEGER NOT NULL,
  entity_nos BLOB NOT NULL
) STRICT;
CREATE INDEX job_seen_by_job ON job_seen (job_no);

-- The slim record that a sync compares against; without it an entity does not exist.
CREATE TABLE entity (
  no INTEGER PRIMARY KEY,
  connection_no INTEGER NOT NULL,
  source_id TEXT NOT NULL,
  type TEXT NOT NULL,
  hash BLOB NOT NULL,
  version TEXT,
  UNIQUE (connection_no, source_id)
) STRICT;

-- The bulk of an entity; it outlives the record of a deleted connection until it is purged.
CREATE TABLE entity_body (
  no INTEGER PRIMARY KEY,
  title TEXT NOT NULL,
  text TEXT NOT NULL,
  url TEXT,
  updated_at INTEGER,
  metadata TEXT NOT NULL,
  breadcrumbs TEXT NOT NULL
) STRICT;

CREATE VIRTUAL TABLE entity_fts USING fts5 (
  title, text,
  content = 'entity_body', content_rowid = 'no',
  tokenize = "porter unicode61 remove_diacritics 2"
);
INSERT INTO entity_fts (entity_fts, rank) VALUES ('rank', 'bm25(4.0, 1.0)');
-- What a whole batch adds to the index fits into memory: one segment to merge later, not several.
INSERT INTO entity_fts (entity_fts, rank) VALUES ('hashsize', 16777216);

CREATE TABLE entity_type (
  connection_no INTEGER NOT NULL,
  type TEXT NOT NULL,
  count INTEGER NOT NULL,
  last_updated INTEGER NOT NULL,
  PRIMARY KEY (connection_no, type)
) STRICT, WITHOUT ROWID;

-- Bodies whose connection is gone, waiting for the background cleanup.
CREATE TABLE purge (entity_no INTEGER PRIMARY KEY) STRICT;

-- Entity numbers are public in search results, so they are never used twice.
CREATE TABLE sequence (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT;
INSERT INTO sequence (name, value) VALUES ('entity', 0);
