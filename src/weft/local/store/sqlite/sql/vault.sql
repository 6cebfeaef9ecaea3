-- name: data_key_get
-- The key of one owner.
SELECT kid, master_kid, wrapped FROM data_key
WHERE organization_id = :organization_id AND owner = :owner;

-- name: data_key_add
-- Keeps the key that the owner has, if it has one.
INSERT INTO data_key (organization_id, owner, kid, master_kid, wrapped)
VALUES (:organization_id, :owner, :kid, :master_kid, :wrapped) ON CONFLICT DO NOTHING;

-- name: data_key_wrapped_otherwise
-- Keys that another master key has wrapped; two ranges, so that the index serves.
SELECT organization_id, owner, kid, master_kid, wrapped FROM data_key
WHERE master_kid < :master_kid OR master_kid > :master_kid LIMIT :limit;

-- name: data_key_rewrap
-- Only the very key that was read: its owner may have been deleted and made anew meanwhile.
UPDATE data_key SET master_kid = :master_kid, wrapped = :wrapped WHERE kid = :kid;

-- name: data_key_drop
-- Makes what the owner sealed unreadable for ever.
DELETE FROM data_key WHERE organization_id = :organization_id AND owner = :owner;

-- name: data_key_drop_others
-- Drops keys that none of these master keys opens.
DELETE FROM data_key WHERE master_kid NOT IN (SELECT value FROM carray(:master_kids))
RETURNING kid;

-- name: master_kid
-- The master key that wraps new data keys.
SELECT kid FROM master_key;

-- name: master_kid_begin
-- Sets the master key, if there is none yet.
INSERT INTO master_key (one, kid) VALUES (1, :master_kid) ON CONFLICT DO NOTHING;

-- name: master_kid_set
-- Sets the master key.
INSERT INTO master_key (one, kid) VALUES (1, :master_kid)
ON CONFLICT DO UPDATE SET kid = excluded.kid;

-- name: sealed_lost
-- What was sealed by a data key that is gone. Connections that are to be authorised say so themselves.
WITH kept (kind, organization_id, name, sealed) AS (
  SELECT 'connection', organization_id, id, credentials FROM connection
  WHERE credentials IS NOT NULL AND state NOT IN ('pending_auth', 'needs_reauth')
  UNION ALL SELECT 'secret', organization_id, name, sealed FROM operator_secret
  UNION ALL SELECT 'oauth_client', '', short_name, sealed FROM oauth_client
  WHERE sealed IS NOT NULL
  UNION ALL SELECT 'auth_provider', organization_id, readable_id, sealed FROM auth_provider
)
-- The name of the data key is the 16 characters after `v1.`.
SELECT kind, name FROM kept
WHERE NOT EXISTS (SELECT 1 FROM data_key WHERE kid = substr(kept.sealed, 4, 16))
ORDER BY kind, organization_id, name;

-- name: data_key_any
-- Tells whether anything is sealed.
SELECT 1 FROM data_key LIMIT 1;
