-- name: secret_put
-- Stores or replaces a secret.
INSERT INTO operator_secret (organization_id, name, sources, hosts, sealed, created_at, modified_at)
VALUES (:organization_id, :name, :sources, :hosts, :sealed, :now, :now)
ON CONFLICT DO UPDATE SET sources = excluded.sources, hosts = excluded.hosts,
  sealed = excluded.sealed, modified_at = excluded.modified_at
RETURNING name;

-- name: secret_get
-- One secret of an organisation.
SELECT name, organization_id, sources, hosts, sealed, modified_at FROM operator_secret
WHERE organization_id = :organization_id AND name = :name;

-- name: secret_list
-- The secrets of an organisation, by name.
SELECT name, organization_id, sources, hosts, sealed, modified_at FROM operator_secret
WHERE organization_id = :organization_id ORDER BY name;

-- name: secret_delete
-- No row when it was gone.
DELETE FROM operator_secret WHERE organization_id = :organization_id AND name = :name
RETURNING name;
