-- name: browse_connections
-- The connections of a scope.
SELECT no, id, name FROM connection
WHERE organization_id = :organization_id
  AND (:connection_id IS NULL OR id = :connection_id)
  AND (:collection_id IS NULL
    OR collection_no = (SELECT no FROM collection WHERE id = :collection_id))
ORDER BY no;

-- name: browse_by_path
-- Some entities of a connection in the order of their ids, after one. `undated`: only those.
SELECT no, source_id, type, updated_at, media_type FROM entity
WHERE connection_no = :connection_no AND source_id >= :low AND source_id < :high
  AND NOT (source_id = :after_id AND no <= :after_no)
  AND (source_id GLOB :pattern OR source_id GLOB :file_pattern)
  AND (:type IS NULL OR type = :type OR media_type = :media_type)
  AND (:since IS NULL OR updated_at >= :since) AND (:until IS NULL OR updated_at < :until)
  AND (:author IS NULL OR instr(author, :author))
  AND NOT (:undated AND updated_at IS NOT NULL)
ORDER BY source_id LIMIT :limit;

-- name: browse_by_time
-- Some entities of a connection that have a date, newest first, after one.
SELECT no, source_id, type, updated_at, media_type FROM entity
WHERE connection_no = :connection_no AND updated_at IS NOT NULL
  AND updated_at <= :newest AND updated_at >= :oldest
  AND NOT (updated_at = :after_at AND no >= :after_no)
  AND (source_id GLOB :pattern OR source_id GLOB :file_pattern)
  AND (:type IS NULL OR type = :type OR media_type = :media_type)
  AND (:author IS NULL OR instr(author, :author))
ORDER BY updated_at DESC, no DESC LIMIT :limit;

-- name: browse_titles
-- Titles, and the sizes of texts, which SQLite knows without reading them.
SELECT no, title, octet_length(text) FROM entity_body
WHERE no IN (SELECT value FROM carray(:nos));

-- name: browse_largest
-- The longest texts among the first entities of some connections: a size is in the row of a body, of
-- which each must be read.
SELECT e.no, e.connection_no, e.source_id, e.type, e.updated_at, e.media_type FROM (
  SELECT e.* FROM carray(:connection_nos) k CROSS JOIN entity e ON e.connection_no = k.value
  LIMIT :read_limit
) e JOIN entity_body b ON b.no = e.no
ORDER BY octet_length(b.text) DESC, e.no LIMIT :limit;

-- name: browse_types
-- How many entities of each type the scope has.
SELECT t.type, sum(t.count) FROM connection c
JOIN entity_type t ON t.connection_no = c.no AND t.count > 0
WHERE c.organization_id = :organization_id
  AND (:connection_id IS NULL OR c.id = :connection_id)
  AND (:collection_id IS NULL
    OR c.collection_no = (SELECT no FROM collection WHERE id = :collection_id))
GROUP BY t.type ORDER BY sum(t.count) DESC, t.type;

-- name: browse_media_types
-- How many entities of each media type the scope has.
SELECT t.media_type, sum(t.count) FROM connection c
JOIN entity_type t ON t.connection_no = c.no AND t.count > 0
WHERE c.organization_id = :organization_id AND t.media_type <> ''
  AND (:connection_id IS NULL OR c.id = :connection_id)
  AND (:collection_id IS NULL
    OR c.collection_no = (SELECT no FROM collection WHERE id = :collection_id))
GROUP BY t.media_type ORDER BY sum(t.count) DESC, t.media_type;

-- name: browse_locate
-- Entities that have this id, or this URL.
SELECT e.no, e.connection_no, e.source_id, e.type, e.updated_at, e.media_type
FROM carray(:connection_nos) k
CROSS JOIN entity e ON e.connection_no = k.value AND e.source_id IN (SELECT value FROM carray(:ids))
WHERE e.source_id IN (:name, :file) OR (SELECT b.url FROM entity_body b WHERE b.no = e.no) = :url
UNION
SELECT no, connection_no, source_id, type, updated_at, media_type FROM entity
WHERE address = :url AND connection_no IN (SELECT value FROM carray(:connection_nos))
LIMIT :limit;

-- name: browse_jobs
-- The start of every query of jobs that changed anything; one of the next three ends it.
WITH found AS (
  SELECT j.no, j.id AS job_id, c.id AS connection_id, c.name AS connection_name, j.completed_at,
    coalesce(j.completed_at, 9223372036854775807) AS ended,
    j.inserted, j.updated, j.deleted, j.skipped, j.failed
  FROM job j JOIN connection c ON c.no = j.connection_no
  WHERE c.organization_id = :organization_id
    AND j.inserted + j.updated + j.deleted + j.skipped + j.failed > 0
    AND (:connection_id IS NULL OR c.id = :connection_id)
    AND (:collection_id IS NULL
      OR c.collection_no = (SELECT no FROM collection WHERE id = :collection_id))
    AND CASE :kind WHEN 'inserted' THEN j.inserted WHEN 'updated' THEN j.updated
      WHEN 'deleted' THEN j.deleted WHEN 'skipped' THEN j.skipped WHEN 'failed' THEN j.failed
      ELSE 1 END > 0
    AND coalesce(j.completed_at, 9223372036854775807) >= :since
    AND (:until IS NULL OR coalesce(j.completed_at, :now) < :until)

-- name: browse_jobs_of_organization
-- By the index of jobs that changed anything.
    AND j.organization_id = :organization_id)

-- name: browse_jobs_of_connection
-- By the index of a connection's jobs, of which only some are kept.
    AND c.id = :connection_id)

-- name: browse_jobs_by_id
-- The one job.
    AND j.id = :job_id)

-- name: browse_jobs_with_names
-- Those that keep names of a kind, the newest end first, from one on.
SELECT * FROM found WHERE ended <= :from_ended AND (ended, no) <= (:from_ended, :from_no) AND EXISTS (
  SELECT 1 FROM job_change h WHERE h.job_no = found.no AND h.kind BETWEEN :low_kind AND :high_kind
) ORDER BY ended DESC, no DESC;

-- name: browse_totals
-- How many jobs there are, what they did, and how many names of that are kept.
SELECT count(*) AS jobs, sum(inserted) AS inserted, sum(updated) AS updated,
  sum(deleted) AS deleted, sum(skipped) AS skipped, sum(failed) AS failed, sum((
    SELECT count(*) FROM job_change h
    WHERE h.job_no = found.no AND h.kind BETWEEN :low_kind AND :high_kind
  )) AS names
FROM found;

-- name: browse_reasons
-- How many entities these jobs skipped or failed, by reason.
SELECT r.kind, r.reason, sum(r.count) AS count
FROM found CROSS JOIN job_reason r ON r.job_no = found.no
WHERE r.kind IN ('skipped', 'failed') AND r.kind BETWEEN :low_kind AND :high_kind AND r.count > 0
GROUP BY r.kind, r.reason ORDER BY sum(r.count) DESC, r.kind, r.reason LIMIT :limit;

-- name: browse_changes
-- Names that a job keeps, after one.
SELECT kind, name, type, title, reason FROM job_change
WHERE job_no = :job_no AND kind <= :high_kind AND (kind, name) > (:after_kind, :after_name)
ORDER BY kind, name LIMIT :limit;

-- name: browse_count_names
-- How many names of each kind a job keeps.
SELECT kind, count(*) FROM job_change WHERE job_no = ? GROUP BY kind;

-- name: change_insert
-- One name of a change; a job that is taken over may meet it again.
INSERT OR IGNORE INTO job_change (job_no, kind, name, type, title, reason) VALUES (?, ?, ?, ?, ?, ?);

-- name: change_insert_deleted
-- Names of entities that are to be deleted.
INSERT OR IGNORE INTO job_change (job_no, kind, name, type, title)
SELECT :job_no, 'deleted', substr(e.source_id, 1, :chars), e.type, substr(b.title, 1, :chars)
FROM carray(:nos) k CROSS JOIN entity e ON e.no = k.value CROSS JOIN entity_body b ON b.no = e.no
LIMIT :limit;

-- name: change_trim
-- Drops the names of a connection's older jobs beyond the newest :keep.
WITH counted AS (
  SELECT j.no, (SELECT count(*) FROM job_change h WHERE h.job_no = j.no) AS names
  FROM job j WHERE j.connection_no = :connection_no
), running AS (SELECT no, sum(names) OVER (ORDER BY no DESC) AS total FROM counted WHERE names > 0)
DELETE FROM job_change
WHERE job_no <> :job_no AND job_no IN (SELECT no FROM running WHERE total > :keep);

-- name: change_forget_unread
-- Drops what a listing said of entities that it left out, as it starts over.
DELETE FROM job_change WHERE job_no = :no AND kind IN ('skipped', 'failed');

-- name: reason_known
-- The reasons that a job has counted so far.
SELECT kind, reason FROM job_reason WHERE job_no = ?;

-- name: reason_set
-- What the source says now of what it leaves out replaces what it said before.
INSERT INTO job_reason (job_no, kind, reason, count) VALUES (?, ?, ?, ?)
ON CONFLICT DO UPDATE SET count = excluded.count;

-- name: reason_add
-- Adds to the count of a reason.
INSERT INTO job_reason (job_no, kind, reason, count) VALUES (?, ?, ?, ?)
ON CONFLICT DO UPDATE SET count = count + excluded.count;

-- name: reason_checkpoint
-- What is counted up to the checkpoint that the batch has.
UPDATE job_reason SET checkpoint_count = count WHERE job_no = :no AND EXISTS (
  SELECT 1 FROM job j JOIN connection c ON c.no = j.connection_no
  WHERE j.no = :no AND c.config = :config
);

-- name: reason_after_checkpoint
-- What the batch holds after its checkpoint will be met, and counted, again.
UPDATE job_reason SET checkpoint_count = max(0, checkpoint_count - ?)
WHERE job_no = ? AND kind = ? AND reason = ?;

-- name: reason_resume
-- Counts go back to the last checkpoint, but for those of what is stored.
UPDATE job_reason SET count = checkpoint_count WHERE job_no = :no AND kind <> 'empty';

-- name: reason_forget
-- The listing starts over; what was stored stays so.
DELETE FROM job_reason WHERE job_no = :no AND kind <> 'empty';
