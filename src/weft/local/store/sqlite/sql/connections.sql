-- name: connection_insert
-- One row; its counts and its cursor begin empty.
INSERT INTO any_connection (
  {connection.names}, collection_no, cron, timezone, continuous, cursor_field, has_schedule,
  next_run_at, paused, paused_until, created_at, modified_at
) VALUES (
  {connection.values}, :collection_no, :cron, :timezone, :continuous, :cursor_field, :has_schedule,
  :next_run_at, :paused, :paused_until, :now, :now
) RETURNING no;

-- name: connection_columns
-- What every query of connections returns: the row, its last job, its counts by type.
SELECT
  c.no, {connection.read}, c.credentials IS NOT NULL AS has_credentials,
  k.readable_id AS readable_collection_id, p.kind AS auth_provider_kind,
  c.cron, c.timezone, c.continuous, c.cursor_field, c.has_schedule, c.next_run_at, c.paused,
  c.paused_until,
  CASE WHEN NOT c.list_again THEN c.cursor END AS cursor,
  c.hold, c.restorable_until, c.total_runs, c.successful_runs, c.failed_runs, c.version,
  c.created_at, c.modified_at,
  (
    SELECT json_group_array(json_array(type, count, last_updated)) FROM (
      SELECT type, sum(count) AS count, max(last_updated) AS last_updated
      FROM entity_type t WHERE t.connection_no = c.no GROUP BY type
    )
  ) AS types,
  j.id AS job_id, j.status AS job_status, j.trigger AS job_trigger,
  j.full_sync AS job_full_sync, j.created_at AS job_created_at, j.started_at AS job_started_at,
  j.completed_at AS job_completed_at, j.ran AS job_ran,
  j.inserted AS job_inserted, j.updated AS job_updated,
  j.deleted AS job_deleted, j.unchanged AS job_unchanged, j.skipped AS job_skipped,
  j.failed AS job_failed, j.expected AS job_expected, j.incomplete AS job_incomplete,
  j.hold ->> 'count' AS job_held, j.error AS job_error,
  j.error_category AS job_error_category, j.error_details AS job_error_details,
  (SELECT json_group_array(json_array(r.kind, r.reason, r.count)) FROM job_reason r
    WHERE r.job_no = j.no AND r.count <> 0) AS job_findings

-- name: connection_from
-- Follows the columns: connections that are not deleted.
FROM connection c
JOIN collection k ON k.no = c.collection_no
LEFT JOIN auth_provider p
  ON p.organization_id = c.organization_id AND p.readable_id = c.auth_provider
LEFT JOIN job j ON j.no = (SELECT max(no) FROM job WHERE connection_no = c.no)

-- name: connection_by_id
-- The connection with that id.
WHERE c.id = :id AND c.organization_id = :organization_id;

-- name: connection_by_prefix
-- Ids are hexadecimal, so no id sorts after the prefix and a 'g'.
WHERE c.organization_id = :organization_id AND c.id >= :text AND c.id < :text || 'g'
ORDER BY c.no DESC LIMIT 5;

-- name: connection_by_name
-- Connections of that name, in whatever case.
WHERE c.organization_id = :organization_id AND c.name = :text COLLATE NOCASE
ORDER BY c.no DESC LIMIT 5;

-- name: connection_list
-- One page, newest first.
WHERE c.organization_id = :organization_id AND c.no < :before
ORDER BY c.no DESC LIMIT :limit;

-- name: connection_needs_somebody
-- The same as whether `Connection.attention` is empty, as a test checks; part of the next two.
(
  coalesce(j.status NOT IN ('RUNNING', 'CANCELLING'), 1) AND (
    c.state <> 'active' OR NOT c.paused AND j.status = 'FAILED'
  )
  OR c.hold IS NOT NULL
  OR coalesce(j.status = 'PENDING' AND j.error_category IN ('no_process', 'key_unavailable'), 0)
  OR coalesce(j.status = 'COMPLETED' AND (
    j.incomplete OR j.failed > 0
    OR 2 * j.skipped > j.inserted + j.updated + j.unchanged + j.skipped + j.failed
    OR j.inserted + j.updated + j.unchanged = 0 AND j.deleted = 0 AND (
      SELECT CASE WHEN j.full_sync THEN j.hold IS NULL AND total <> 0 ELSE total < 0 END FROM (
        SELECT coalesce(sum(t.count), -1) AS total FROM entity_type t WHERE t.connection_no = c.no
      )
    )
    OR EXISTS (
      SELECT 1 FROM job_reason r WHERE r.job_no = j.no AND (
        r.kind = 'limit' AND r.count <> 0
        OR r.kind = 'empty' AND 2 * r.count > j.inserted + j.updated
      )
    )
  ), 0)
)

-- name: connection_totals
-- Of all connections that the filters admit: how many there are, sync and need somebody, and how
-- many entities they hold.
SELECT count(*) AS connections,
  count(*) FILTER (WHERE j.status IN ('RUNNING', 'CANCELLING')) AS syncing,
  count(*) FILTER (WHERE {connection_needs_somebody}) AS needs_attention,
  coalesce(
    sum((SELECT sum(t.count) FROM entity_type t WHERE t.connection_no = c.no)), 0
  ) AS entities
FROM connection c
JOIN collection k ON k.no = c.collection_no
LEFT JOIN job j ON j.no = (SELECT max(no) FROM job WHERE connection_no = c.no)
WHERE c.organization_id = :organization_id
  AND (:readable_collection_id IS NULL OR k.readable_id = :readable_collection_id)
  AND (:short_name IS NULL OR c.short_name = :short_name);

-- name: connection_list_filtered
-- A null filter admits everything. "syncing" is a running job, and "inactive" a paused schedule.
WHERE c.organization_id = :organization_id AND c.no < :before
  AND (:readable_collection_id IS NULL OR k.readable_id = :readable_collection_id)
  AND (:short_name IS NULL OR c.short_name = :short_name)
  AND (
    :status IS NULL
    OR :status = CASE
      WHEN j.status IN ('RUNNING', 'CANCELLING') THEN 'syncing'
      WHEN c.paused AND c.state = 'active' THEN 'inactive'
      ELSE c.state
    END
  )
  AND (:needs_attention IS NULL OR {connection_needs_somebody})
ORDER BY c.no DESC LIMIT :limit;

-- name: connection_no
-- The internal number of a connection.
SELECT no FROM connection WHERE id = :id;

-- name: connection_no_and_state
-- The state is compared with the one that a check found.
SELECT no, state FROM connection WHERE id = :id;

-- name: connection_ids_of_collection
-- Public ids, newest first.
SELECT id FROM connection WHERE collection_no = :collection_no ORDER BY no DESC;

-- name: connection_update
-- Changes a row of the expected version. Jobs and refreshes keep what they wrote, unless told.
UPDATE any_connection SET
  {connection.changes}, collection_no = :collection_no,
  cron = :cron, timezone = :timezone, continuous = :continuous, cursor_field = :cursor_field,
  has_schedule = :has_schedule, next_run_at = :next_run_at,
  paused = :paused, paused_until = :paused_until,
  list_again = list_again OR :new_config, hold = CASE WHEN :new_config THEN NULL ELSE hold END,
  version = version + 1, modified_at = :now
WHERE id = :id AND organization_id = :organization_id AND version = :expected_version
  AND deleted_at IS NULL
RETURNING no;

-- name: connection_is_as_read
-- Whether what was done with a configuration and credentials says something of the present ones.
SELECT config = :config AND authenticated_at IS :authenticated_at FROM connection WHERE no = :no;

-- name: connection_state
-- The state to compare with a new one.
SELECT state FROM connection WHERE no = :no;

-- name: connection_authenticated_at
-- When it was authorised last, to tell an authorisation from another change.
SELECT authenticated_at FROM connection
WHERE id = :id AND organization_id = :organization_id;

-- name: connection_reset_checkpoint
-- What a live job had reached, and what somebody agreed to, belongs to the configuration before.
UPDATE job SET checkpoint = NULL, checkpoint_skipped = 0, checkpoint_failed = 0,
  options = json_remove(options, '$.agreed_deletions')
WHERE connection_no = :no AND status IN ('PENDING', 'RUNNING', 'CANCELLING');

-- name: connection_credentials
-- The sealed credentials of one connection.
SELECT credentials FROM connection WHERE id = :id AND organization_id = :organization_id;

-- name: connection_mark
-- The outcome of a job or a check, as far as it concerns the connection.
UPDATE any_connection AS connection SET state = :state, error_category = :error_category,
  error_message = :error_message
WHERE no = :no;

-- name: schedule_due
-- Schedules whose time has come, the longest waiting first.
-- A slot that meets a live job stays due, and so gets its turn when that job has ended.
SELECT id, next_run_at, cron, timezone, continuous, paused, paused_until FROM connection
WHERE next_run_at <= :now AND NOT EXISTS (
  SELECT 1 FROM job j
  WHERE j.connection_no = connection.no AND j.status IN ('PENDING', 'RUNNING', 'CANCELLING')
)
ORDER BY next_run_at LIMIT :limit;

-- name: schedule_turn
-- No row when another process was first, or a job is live. `fired`: the slot has a job, or had one
-- before it was pruned.
SELECT state IN ('pending_auth', 'needs_reauth') AS waits, repeated_slot,
  coalesce(last_slot >= :slot, 0)
  OR EXISTS (SELECT 1 FROM early_slot e WHERE e.connection_no = no AND e.slot = :slot)
  OR EXISTS (SELECT 1 FROM job j WHERE j.connection_no = connection.no AND j.slot = :slot) AS fired
FROM connection
WHERE id = :connection_id AND next_run_at = :slot AND NOT EXISTS (
  SELECT 1 FROM job j
  WHERE j.connection_no = connection.no AND j.status IN ('PENDING', 'RUNNING', 'CANCELLING')
);

-- name: schedule_advance
-- Follows `schedule_turn` in the same transaction. The first run after a pause ends it.
UPDATE any_connection SET next_run_at = :next_run_at, repeated_slot = :repeated_slot,
  paused = 0, paused_until = NULL
WHERE id = :connection_id;

-- name: schedule_prune_slot
-- `last_slot` is the last slot whose job is no longer there to tell that it was fired. A slot that
-- the clock has not reached must not stop those before it.
UPDATE any_connection SET last_slot = max(coalesce(last_slot, :slot), :slot)
WHERE no = :no AND :slot <= :now;

-- name: schedule_keep_early_slot
-- Remembers a slot ahead of the clock.
INSERT OR IGNORE INTO early_slot (connection_no, slot) SELECT :no, :slot WHERE :slot > :now;

-- name: schedule_drop_early_slots
-- Those that `last_slot` covers by now.
DELETE FROM early_slot WHERE connection_no = :no
  AND slot <= (SELECT c.last_slot FROM connection c WHERE c.no = :no);

-- name: schedule_upcoming
-- Schedules with their next time, due or not.
SELECT no, id, next_run_at, cron, timezone, continuous, paused, paused_until FROM connection
WHERE next_run_at IS NOT NULL AND no < :before ORDER BY no DESC LIMIT :limit;

-- name: schedule_move
-- Sets another next time, unless somebody has done so.
UPDATE any_connection SET next_run_at = :next_run_at
WHERE id = :connection_id AND next_run_at = :slot AND deleted_at IS NULL
RETURNING no;
