-- name: key_insert
-- Fails on the unique index while a live key has the name.
INSERT INTO api_key (name, organization_id, role, digest, created_at)
VALUES (:name, :organization_id, :role, :digest, :now);

-- name: key_columns
-- The start of every query that returns keys.
SELECT k.name, k.organization_id, k.role, k.created_at, k.revoked_at FROM api_key k

-- name: key_list
-- All keys, oldest first.
ORDER BY k.no;

-- name: key_find
-- The live key with that digest.
WHERE k.digest = :digest AND k.revoked_at IS NULL;

-- name: key_live
-- The live key of that name.
WHERE k.name = :name AND k.revoked_at IS NULL;

-- name: key_revoke
-- Refuses the live key of that name from now on.
UPDATE api_key SET revoked_at = :now WHERE name = :name AND revoked_at IS NULL;

-- name: job_counts
-- How many jobs have each status, over all organisations.
SELECT status, count(*) AS jobs FROM job GROUP BY status;
