-- name: audit_insert
-- One row; triggers keep it from being changed later.
INSERT INTO audit (
  at, organization_id, principal, transport, operation, action, target_kind, target_id,
  connection_id, arguments_digest, outcome
) VALUES (
  :at, :organization_id, :principal, :transport, :operation, :action, :target_kind, :target_id,
  :connection_id, :arguments_digest, :outcome
);

-- name: audit_list
-- The newest rows of all organisations.
SELECT no, at, organization_id, principal, transport, operation, action, target_kind, target_id,
  connection_id, arguments_digest, outcome
FROM audit WHERE no < :before AND (:since IS NULL OR at >= :since)
ORDER BY no DESC LIMIT :limit;

-- name: audit_list_of_connection
-- The newest rows of one connection, which may be deleted.
SELECT no, at, organization_id, principal, transport, operation, action, target_kind, target_id,
  connection_id, arguments_digest, outcome
FROM audit
WHERE connection_id = :connection_id AND no < :before AND (:since IS NULL OR at >= :since)
ORDER BY no DESC LIMIT :limit;

-- name: audit_any_before
-- Tells cheaply that nothing is old enough to be dropped.
SELECT 1 FROM audit WHERE at < :before LIMIT 1;

-- name: audit_prune
-- Drops some of the rows from before then.
DELETE FROM audit WHERE no IN (SELECT no FROM audit WHERE at < :before LIMIT :limit)
RETURNING no;
