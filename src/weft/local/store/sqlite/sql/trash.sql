-- name: connection_from_any
-- Follows the columns: connections, deleted or not.
FROM any_connection c
JOIN (SELECT no, coalesce(former_readable_id, readable_id) AS readable_id FROM any_collection) k
  ON k.no = c.collection_no
LEFT JOIN auth_provider p
  ON p.organization_id = c.organization_id AND p.readable_id = c.auth_provider
LEFT JOIN job j ON j.no = (SELECT max(no) FROM job WHERE connection_no = c.no)

-- name: connection_restorable
-- Those that can be restored, the last deleted first.
WHERE c.organization_id = :organization_id AND c.deleted_at IS NOT NULL
  AND c.restorable_until > :now AND (
    :text IS NULL OR c.name = :text COLLATE NOCASE
    OR length(:text) >= 3 AND substr(c.id, 1, length(:text)) = lower(:text)
  )
ORDER BY c.deleted_at DESC, c.no DESC LIMIT :limit;

-- name: collection_restorable
-- Collections that can be restored, with counts of what comes back with them.
SELECT k.no, k.id, k.organization_id, k.former_readable_id AS readable_id, k.name, k.created_at,
  k.modified_at, k.restorable_until, k.way,
  (SELECT count(*) FROM any_connection c
    WHERE c.collection_no = k.no AND c.deleted_at = k.deleted_at) AS connection_count,
  (SELECT coalesce(sum(t.count), 0) FROM any_connection c
    JOIN entity_type t ON t.connection_no = c.no
    WHERE c.collection_no = k.no AND c.deleted_at = k.deleted_at) AS entity_count
FROM any_collection k
WHERE k.organization_id = :organization_id AND k.deleted_at IS NOT NULL
  AND k.restorable_until > :now AND (
    :text IS NULL OR k.name = :text COLLATE NOCASE
    OR length(:text) >= 3 AND lower(:text) IN (
      substr(k.id, 1, length(:text)), substr(k.former_readable_id, 1, length(:text))
    )
  )
ORDER BY k.deleted_at DESC, k.no DESC LIMIT :limit;

-- name: trash_reach
-- Part of the next four: what is deleted for good also takes what was deleted before.
(deleted_at IS NULL OR :for_good AND restorable_until IS NOT NULL)

-- name: trash_any_connection
-- A connection.
SELECT no, organization_id, id FROM any_connection
WHERE id = :id AND organization_id = :organization_id AND {trash_reach};

-- name: trash_connections_of_collection
-- The connections of a collection.
SELECT no, organization_id, id, deleted_at IS NULL AS is_live FROM any_connection
WHERE collection_no = :no AND {trash_reach};

-- name: trash_count_entities
-- How many entities these have.
SELECT coalesce(sum(t.count), 0) FROM any_connection c JOIN entity_type t ON t.connection_no = c.no
WHERE c.collection_no = :no AND {trash_reach};

-- name: trash_any_collection
-- A collection.
SELECT no FROM any_collection WHERE id = :id AND {trash_reach};

-- name: trash_put_connection
-- Puts a connection out of sight. What is for good keeps no credentials.
UPDATE any_connection SET deleted_at = :now, restorable_until = :until, version = version + 1,
  credentials = iif(:until IS NULL, NULL, credentials)
WHERE no = :no;

-- name: trash_put_collection
-- Puts a collection out of sight, and frees its readable id.
UPDATE any_collection SET deleted_at = :now, restorable_until = :until,
  former_readable_id = coalesce(former_readable_id, readable_id), readable_id = id
WHERE no = :no;

-- name: trash_drop_session
-- The links of a connection are dead, and stay so when it is restored.
DELETE FROM auth_session WHERE connection_no = :no;

-- name: trash_end_jobs
-- Nobody writes for a deleted connection any more.
UPDATE job SET status = 'CANCELLED', completed_at = :now, owner = NULL, lease_until = NULL,
  retry_at = NULL, error = NULL, error_category = NULL, error_details = NULL
WHERE connection_no = :no AND status IN ('PENDING', 'RUNNING', 'CANCELLING')
RETURNING no;

-- name: trash_find_collection_of
-- The collection, deleted or not, of a connection that can be restored.
SELECT k.no, k.id, k.organization_id, k.deleted_at
FROM any_connection c JOIN any_collection k ON k.no = c.collection_no
WHERE c.id = :id AND c.organization_id = :organization_id AND c.deleted_at IS NOT NULL
  AND c.restorable_until > :now;

-- name: trash_take_connection
-- Brings a connection back.
UPDATE any_connection SET deleted_at = NULL, restorable_until = NULL, version = version + 1
WHERE id = :id AND deleted_at IS NOT NULL AND restorable_until > :now
RETURNING id, organization_id;

-- name: trash_take_connections
-- Brings back what was deleted with its collection.
UPDATE any_connection SET deleted_at = NULL, restorable_until = NULL, version = version + 1
WHERE collection_no = :no AND deleted_at = :deleted_at AND restorable_until > :now
RETURNING id, organization_id;

-- name: trash_find_collection
-- A collection that can be restored.
SELECT no, id, organization_id, deleted_at FROM any_collection
WHERE id = :id AND organization_id = :organization_id AND deleted_at IS NOT NULL
  AND restorable_until > :now;

-- name: trash_take_collection
-- Brings a collection back; fails on the unique index when the readable id is taken.
UPDATE any_collection SET deleted_at = NULL, restorable_until = NULL, former_readable_id = NULL,
  readable_id = :readable_id
WHERE no = :no;

-- name: purge_any
-- Tells cheaply that nothing is to be purged.
SELECT 1 WHERE EXISTS (
  SELECT 1 FROM any_connection
  WHERE deleted_at IS NOT NULL AND (restorable_until IS NULL OR restorable_until <= :now)
) OR EXISTS (
  SELECT 1 FROM any_collection k
  WHERE deleted_at IS NOT NULL AND (restorable_until IS NULL OR restorable_until <= :now)
    AND NOT EXISTS (SELECT 1 FROM any_connection c WHERE c.collection_no = k.no)
);

-- name: purge_connection
-- A connection that nobody can restore; one whose purge has begun comes first.
SELECT no, id, organization_id, restorable_until FROM any_connection
WHERE deleted_at IS NOT NULL AND (restorable_until IS NULL OR restorable_until <= :now)
ORDER BY restorable_until LIMIT 1;

-- name: purge_entities
-- Some entities of a connection.
SELECT no FROM entity WHERE connection_no = :no LIMIT :limit;

-- name: purge_types
-- Drops the counts by type of a connection.
DELETE FROM entity_type WHERE connection_no = :no;

-- name: purge_row
-- Jobs, their logs and their marks go with it by cascade.
DELETE FROM any_connection WHERE no = :no;

-- name: purge_collections
-- Drops some collections that nobody can restore and nothing is in any more.
DELETE FROM any_collection WHERE no IN (
  SELECT k.no FROM any_collection k
  WHERE k.deleted_at IS NOT NULL AND (k.restorable_until IS NULL OR k.restorable_until <= :now)
    AND NOT EXISTS (SELECT 1 FROM any_connection c WHERE c.collection_no = k.no)
  LIMIT :limit
) RETURNING no;
