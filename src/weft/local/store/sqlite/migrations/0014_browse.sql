-- What lists of entities are sorted and found by. `address` is the URL, where it does not end with the
-- source's id.
ALTER TABLE entity ADD COLUMN updated_at INTEGER;
ALTER TABLE entity ADD COLUMN address TEXT;
UPDATE entity SET (updated_at, address) = (
  SELECT b.updated_at, CASE
    WHEN b.url <> entity.source_id
      AND substr(b.url, -length(entity.source_id) - 1) <> '/' || entity.source_id THEN b.url
  END
  FROM entity_body b WHERE b.no = entity.no
);
CREATE INDEX entity_by_time ON entity (connection_no, updated_at) WHERE updated_at IS NOT NULL;
CREATE INDEX entity_by_address ON entity (address) WHERE address IS NOT NULL;

-- What a job did to which entities; only the first names of each kind, and those of the newest jobs.
CREATE TABLE job_change (
  job_no INTEGER NOT NULL REFERENCES job (no) ON DELETE CASCADE,
  kind TEXT NOT NULL,
  name TEXT NOT NULL,
  type TEXT,
  title TEXT,
  reason TEXT,
  PRIMARY KEY (job_no, kind, name)
) STRICT, WITHOUT ROWID;

-- How many entities a job skipped or failed, for each reason. `checkpoint_count` is how many up to its
-- checkpoint: whoever goes on from there meets the others again.
CREATE TABLE job_reason (
  job_no INTEGER NOT NULL REFERENCES job (no) ON DELETE CASCADE,
  kind TEXT NOT NULL,
  reason TEXT NOT NULL,
  count INTEGER NOT NULL,
  checkpoint_count INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (job_no, kind, reason)
) STRICT, WITHOUT ROWID;

-- Most syncs change nothing. Jobs that run still come before those that ended.
CREATE INDEX job_with_changes
  ON job (organization_id, coalesce(completed_at, 9223372036854775807), no)
  WHERE inserted + updated + deleted + skipped + failed > 0;
