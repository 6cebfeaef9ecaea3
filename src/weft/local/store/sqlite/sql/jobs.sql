-- name: job_insert
-- Fails on the unique index while another job of the connection is live.
INSERT INTO job (
  id, connection_no, organization_id, status, trigger, options, full_sync, retry_at, created_at
)
SELECT :id, c.no, c.organization_id, 'PENDING', :trigger, :options,
  (:force_full_sync OR (
    :trigger <> 'push' AND (NOT c.continuous OR c.cursor IS NULL OR c.list_again)
  )), :retry_at, :now
FROM connection c WHERE c.id = :connection_id AND c.organization_id = :organization_id
RETURNING no;

-- name: job_insert_scheduled
-- Queues the job of a schedule's slot; returns the organisation.
INSERT INTO job (id, connection_no, organization_id, status, trigger, slot, full_sync, created_at)
SELECT :id, no, organization_id, 'PENDING', 'schedule', :slot,
  (NOT continuous OR cursor IS NULL OR list_again), :now
FROM connection WHERE id = :connection_id
RETURNING organization_id;

-- name: job_live_of_connection
-- The job that is in the way of another.
SELECT j.id, j.status FROM job j JOIN connection c ON c.no = j.connection_no
WHERE c.id = :connection_id AND j.status IN ('PENDING', 'RUNNING', 'CANCELLING');

-- name: job_columns
-- The start of every query that returns jobs.
SELECT
  j.no, j.id, c.id AS connection_id, c.name AS connection_name, j.status, j.trigger, j.full_sync,
  j.created_at, j.started_at, j.completed_at, j.ran, j.inserted, j.updated, j.deleted, j.unchanged, j.skipped, j.failed,
  j.expected, j.incomplete, j.hold ->> 'count' AS held, j.error, j.error_category,
  j.error_details,
  (SELECT json_group_array(json_array(r.kind, r.reason, r.count)) FROM job_reason r
    WHERE r.job_no = j.no AND r.count <> 0) AS findings
FROM job j JOIN connection c ON c.no = j.connection_no

-- name: job_by_id
-- The job with that id.
WHERE j.id = :id AND c.organization_id = :organization_id;

-- name: job_by_prefix
-- Ids are hexadecimal, so no id sorts after the prefix and a 'g'.
WHERE c.organization_id = :organization_id AND j.id >= :text AND j.id < :text || 'g'
ORDER BY j.no DESC LIMIT 5;

-- name: job_list
-- One page of an organisation's jobs, newest first.
WHERE j.organization_id = :organization_id AND j.no < :before
  AND (:status IS NULL OR j.status = :status)
ORDER BY j.no DESC LIMIT :limit;

-- name: job_list_of_connection
-- One page of a connection's jobs, newest first.
WHERE c.id = :connection_id AND c.organization_id = :organization_id AND j.no < :before
  AND (:status IS NULL OR j.status = :status)
ORDER BY j.no DESC LIMIT :limit;

-- name: job_log_insert
-- One line of a job's log.
INSERT INTO job_log (job_no, at, level, message) VALUES (:job_no, :at, :level, :message);

-- name: job_log_tail
-- The last lines, newest first.
SELECT l.at, l.level, l.message FROM job_log l
JOIN job j ON j.no = l.job_no JOIN connection c ON c.no = j.connection_no
WHERE j.id = :id AND c.organization_id = :organization_id ORDER BY l.no DESC LIMIT :limit OFFSET :skip;

-- name: job_owners
-- Who holds jobs now.
SELECT DISTINCT owner FROM job
WHERE status IN ('RUNNING', 'CANCELLING');

-- name: job_leases
-- The mark of a lease: a claim changes the fence, a renewal the time. The wall clock is compared
-- with neither.
SELECT id, no || ':' || fence || ':' || lease_until, lease_length / 1e6 FROM job
WHERE status IN ('RUNNING', 'CANCELLING');

-- name: job_any_waiting
-- Tells cheaply that nothing can be claimed.
SELECT 1 FROM job WHERE status = 'PENDING' LIMIT 1;

-- name: job_mark
-- Part of the next ones: changes with the connection and with each claim.
(j.id || ':' || j.fence || ':' || c.version)

-- name: job_next
-- The oldest job that is due, whose host has room and whose mark was not passed over. A time to retry
-- that is further away than any wait was set before the clock went back.
SELECT j.no, j.id AS job_id, {job_mark} AS mark, j.error, c.id AS connection_id, c.organization_id,
  c.short_name, c.config, c.credentials, c.auth_method, c.auth_expires_at
FROM job j JOIN connection c ON c.no = j.connection_no
WHERE j.status = 'PENDING' AND (:job_id IS NULL OR j.id = :job_id)
  AND (:early OR j.retry_at IS NULL OR j.retry_at <= :now OR j.retry_at > :now + :retry_max)
  AND (
    c.host = '' OR :host_limit > (
      SELECT count(*) FROM job r JOIN connection rc ON rc.no = r.connection_no
      WHERE r.status IN ('RUNNING', 'CANCELLING') AND rc.host = c.host
    )
  )
  AND {job_mark} NOT IN (SELECT value FROM carray(:passed_over))
ORDER BY j.no LIMIT 1;

-- name: job_explain_wait
-- Says of a job that nobody runs why it waits.
UPDATE job SET error = :error, error_category = :error_category, error_details = :error_details
WHERE id = :id AND status = 'PENDING'
RETURNING no;

-- name: job_claim
-- Counts of what leaves no trace in the store go back to the last checkpoint.
UPDATE job SET status = 'RUNNING', owner = :owner, fence = fence + 1,
  lease_until = :now + :lease_length, lease_length = :lease_length,
  started_at = coalesce(started_at, :now), skipped = checkpoint_skipped, failed = checkpoint_failed,
  error = NULL, error_category = NULL, error_details = NULL
WHERE no = :no
RETURNING id, fence, options, full_sync, checkpoint, listing, attempts,
  renewed, ran;

-- name: job_claim_connection
-- The columns of a claim that its connection has, and the mark of the claimed job.
SELECT {job_mark} AS mark, c.id, c.organization_id, c.short_name, c.config, c.credentials, c.cursor,
  c.list_again, c.auth_method, c.authenticated_at, c.auth_expires_at
FROM job j JOIN connection c ON c.no = j.connection_no WHERE j.no = :no;

-- name: job_forget_seen
-- Drops what the job has dealt with, once it has ended.
DELETE FROM job_seen WHERE job_no = :job_no;

-- name: job_release
-- The owners are dead or silent. A job that was running waits for the next; one that was stopping
-- has stopped.
UPDATE job SET
  status = CASE status WHEN 'CANCELLING' THEN 'CANCELLED' ELSE 'PENDING' END,
  completed_at = CASE status WHEN 'CANCELLING' THEN :now END,
  owner = NULL, lease_until = NULL, retry_at = NULL
WHERE status IN ('RUNNING', 'CANCELLING') AND (
  owner IN (SELECT value FROM carray(:owners))
  OR no || ':' || fence || ':' || lease_until IN (SELECT value FROM carray(:marks))
)
RETURNING no, id, connection_no, status;

-- name: job_held
-- The job of a claim, if the claim still holds; only while it is RUNNING may the owner write.
SELECT no, connection_no, status FROM job
WHERE id = :id AND fence = :fence AND owner = :owner AND status IN ('RUNNING', 'CANCELLING');

-- name: job_renew
-- Changes the lease's mark even when the clock went back or stands still.
UPDATE job SET lease_until = max(:now + lease_length, lease_until + 1), ran = :ran WHERE no = :no;

-- name: job_progress
-- Adds a batch's counts.
UPDATE job SET inserted = inserted + :inserted, updated = updated + :updated,
  unchanged = unchanged + :unchanged, skipped = skipped + :skipped, failed = failed + :failed,
  expected = coalesce(:expected, expected), incomplete = incomplete OR :incomplete
WHERE no = :no;

-- name: job_add_deleted
-- Adds to the count of what the job has deleted.
UPDATE job SET deleted = deleted + :deleted WHERE no = :no;

-- name: job_extent
-- Whether the job's listing had gaps so far, what the job has added and deleted, and whether
-- anything is stored of deletions that it has not made.
SELECT incomplete, inserted, deleted,
  hold IS NOT NULL OR EXISTS (SELECT 1 FROM job_seen s WHERE s.job_no = job.no AND s.gone)
FROM job WHERE id = ?;

-- name: job_set_hold
-- What the job would have deleted. Nobody has seen that, so whoever goes on with the job after a
-- crash must not take it for what somebody agreed to.
UPDATE job SET hold = :hold,
  options = iif(:hold IS NULL, options, json_remove(options, '$.agreed_deletions'))
WHERE no = :no;

-- name: job_listing
-- The number of a job's present listing.
SELECT listing FROM job WHERE id = :id;

-- name: job_begin_listing
-- Starts the listing over: what was counted or reached without a trace is forgotten.
UPDATE job SET full_sync = 1, listing = listing + 1, checkpoint = NULL, checkpoint_skipped = 0,
  checkpoint_failed = 0, skipped = 0, failed = 0, incomplete = 0, hold = NULL
WHERE no = :no RETURNING listing;

-- name: job_checkpoint
-- What the batch holds after its checkpoint would be met, and counted, again.
UPDATE job SET checkpoint = :cursor, checkpoint_skipped = skipped - :skipped_after,
  checkpoint_failed = failed - :failed_after, attempts = 0, renewed = 0
WHERE no = :no
  AND EXISTS (SELECT 1 FROM connection c WHERE c.no = job.connection_no AND c.config = :config);

-- name: job_promote_checkpoint
-- After a whole listing, later syncs may go on from where it ended. While deletions are held, the
-- source remembers what it did before: that is what is still stored.
UPDATE any_connection AS connection SET cursor = j.checkpoint,
  list_again = (list_again AND NOT j.full_sync) OR j.incomplete
FROM job j
WHERE connection.no = j.connection_no AND j.no = :no AND j.checkpoint IS NOT NULL
  AND j.hold IS NULL AND connection.config = :config;

-- name: job_tell_hold
-- Passes on what the job holds. Only a whole listing that holds nothing ends what an earlier one held.
UPDATE any_connection AS connection SET hold = j.hold FROM job j
WHERE connection.no = j.connection_no AND j.no = :no AND connection.config = :config
  AND (j.hold IS NOT NULL OR (j.full_sync AND NOT j.incomplete));

-- name: job_settle
-- From now on the share that a sync may delete is of what is stored now.
UPDATE any_connection AS connection
SET settled_no = (SELECT value FROM sequence WHERE name = 'entity') FROM job j
WHERE connection.no = j.connection_no AND j.no = :no AND j.hold IS NULL AND NOT j.incomplete;

-- name: job_drop_held
-- Forgets which entities a hold was about that has ended.
DELETE FROM held_deletion WHERE connection_no = (
  SELECT c.no FROM connection c JOIN job j ON j.connection_no = c.no
  WHERE j.no = :no AND c.hold IS NULL
);

-- name: job_list_again
-- A cursor would lie beyond deletions that wait. A full listing with gaps is made up for by another.
UPDATE any_connection AS connection SET list_again = 1 FROM job j
WHERE connection.no = j.connection_no AND j.no = :job_no AND (
  connection.hold IS NOT NULL OR j.hold IS NOT NULL OR (j.full_sync AND j.incomplete)
  OR EXISTS (SELECT 1 FROM job_seen s WHERE s.job_no = j.no AND s.gone)
);

-- name: job_to_cancel
-- The job with its numbers, and with what the audit tells.
SELECT j.no, j.connection_no, j.organization_id, c.id
FROM job j JOIN connection c ON c.no = j.connection_no WHERE j.id = :id;

-- name: job_cancel_pending
-- Ends a job that nobody runs; no row when somebody does.
UPDATE job SET status = 'CANCELLED', completed_at = :now, error = NULL, error_category = NULL,
  error_details = NULL
WHERE no = :no AND status = 'PENDING'
RETURNING no;

-- name: job_cancel_running
-- Asks the owner to stop; no row when the job does not run.
UPDATE job SET status = 'CANCELLING' WHERE no = :no AND status = 'RUNNING' RETURNING no;

-- name: job_finish
-- Ends the job; the caller has checked the claim in the same transaction.
UPDATE job SET status = :status, completed_at = :now, error = :error,
  error_category = :error_category, error_details = :error_details, owner = NULL,
  lease_until = NULL
WHERE no = :no;

-- name: job_hand_back
-- Whoever claims the job next goes on with it, but not before `retry_at`. `error` says why it waits.
UPDATE job SET status = 'PENDING', owner = NULL, lease_until = NULL, retry_at = :retry_at,
  error = :error, error_category = :error_category, error_details = :error_details,
  attempts = attempts + (:retry_at IS NOT NULL), renewed = renewed OR :renewed
WHERE no = :no;

-- name: job_count_run
-- Counts an ended job with its connection.
UPDATE any_connection AS connection SET total_runs = total_runs + 1,
  successful_runs = successful_runs + (:status = 'COMPLETED'),
  failed_runs = failed_runs + (:status = 'FAILED')
WHERE no = :connection_no;

-- name: connection_set_cursor
-- Not after a change of the configuration: the cursor belongs to the old one. During a full listing
-- only before the first success, when nothing older could be left over that it would not name.
-- A cursor beyond a gap is none to go on from.
UPDATE any_connection SET cursor = :cursor,
  list_again = list_again OR (SELECT incomplete FROM job WHERE no = :job_no)
WHERE no = :no AND config = :config AND (NOT :full_sync OR successful_runs = 0);

-- name: job_crowded
-- Connections with more than :keep jobs, by an index alone.
SELECT connection_no FROM job GROUP BY connection_no HAVING count(*) > :keep LIMIT :limit;

-- name: job_prune
-- Ended jobs of these connections beyond the newest :keep of each, the oldest first.
WITH crowded AS (
  SELECT value AS connection_no, (
    SELECT n.no FROM job n WHERE n.connection_no = value ORDER BY n.no DESC LIMIT 1 OFFSET :keep
  ) AS last_no
  FROM carray(:connection_nos)
)
DELETE FROM job WHERE no IN (
  SELECT j.no FROM crowded k
  JOIN job j ON j.connection_no = k.connection_no AND j.no <= k.last_no
  WHERE j.status IN ('COMPLETED', 'FAILED', 'CANCELLED')
  ORDER BY j.no LIMIT :limit
) RETURNING connection_no AS no, slot;
