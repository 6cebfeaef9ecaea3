-- name: auth_session_begin
INSERT OR REPLACE INTO auth_session (
  connection_no, method, link, state, browser, claim, sealed, redirect_url, syncs, expires_at,
  completed_at
)
SELECT no, :method, :link, :state, :browser, :claim, :sealed, :redirect_url, :syncs, :expires_at,
  :completed_at
FROM connection WHERE id = :connection_id AND organization_id = :organization_id
RETURNING connection_no;

-- name: auth_session_columns
-- The start of every query that returns sessions.
SELECT c.id AS connection_id, c.organization_id, s.method, s.link, s.state, s.browser, s.claim,
  s.sealed, s.redirect_url, s.syncs, s.expires_at, s.completed_at
FROM auth_session s JOIN connection c ON c.no = s.connection_no

-- name: auth_session_of_connection
WHERE c.id = :connection_id AND c.organization_id = :organization_id;

-- name: auth_session_by_link
WHERE s.link = :digest;

-- name: auth_session_by_state
WHERE s.state = :digest;

-- name: auth_session_start
UPDATE auth_session SET link = NULL, state = :state, browser = :browser, sealed = :sealed
WHERE link = :link RETURNING connection_no;

-- name: auth_session_use_state
UPDATE auth_session SET state = NULL, browser = NULL WHERE state = :state RETURNING connection_no;

-- name: auth_session_complete
UPDATE auth_session SET link = NULL, state = NULL, browser = NULL, completed_at = :now
WHERE claim = :claim AND connection_no = (SELECT no FROM connection WHERE id = :connection_id)
RETURNING connection_no;

-- name: auth_session_overtaken
-- The connection was authorised, in whatever way: what waited for that is over.
UPDATE auth_session SET link = NULL, state = NULL, browser = NULL,
  completed_at = coalesce(completed_at, :now)
WHERE connection_no = :no;

-- name: token_state
SELECT no, credentials, auth_expires_at FROM connection WHERE id = :connection_id;

-- name: token_lease_take
-- The one who has it, has it to its end; unless the end is so far away that the clock went back. One
-- lease more than :until is allowed for whoever read the clock later and came first all the same.
INSERT INTO token_lease (connection_no, holder, until) VALUES (:no, :holder, :until)
ON CONFLICT DO UPDATE SET holder = excluded.holder, until = excluded.until
WHERE token_lease.until <= :now OR token_lease.until > 2 * :until - :now
RETURNING holder;

-- name: token_store
UPDATE connection SET credentials = :sealed, auth_expires_at = :expires_at
WHERE id = :connection_id
  AND EXISTS (SELECT 1 FROM token_lease l WHERE l.connection_no = no AND l.holder = :holder)
RETURNING no;

-- name: token_lease_release
DELETE FROM token_lease WHERE holder = :holder
  AND connection_no = (SELECT no FROM connection WHERE id = :connection_id);

-- name: token_lease_revoke
-- The credentials were replaced: what a refresh of the old ones brings is not wanted any more.
DELETE FROM token_lease WHERE connection_no = :no;

-- name: oauth_client_put
INSERT INTO oauth_client (short_name, client_id, origin, sealed, created_at, hosts)
VALUES (:short_name, :client_id, :origin, :sealed, :now, :hosts)
ON CONFLICT DO UPDATE SET client_id = excluded.client_id, origin = excluded.origin, sealed = excluded.sealed,
  created_at = excluded.created_at, hosts = excluded.hosts
RETURNING short_name;

-- name: oauth_client_get
SELECT short_name, client_id, origin, sealed, created_at, hosts FROM oauth_client
WHERE short_name = :short_name;

-- name: oauth_client_list
SELECT short_name, client_id, origin, sealed, created_at, hosts FROM oauth_client ORDER BY short_name;

-- name: oauth_client_delete
DELETE FROM oauth_client WHERE short_name = :short_name RETURNING short_name;

-- name: auth_provider_insert
INSERT INTO auth_provider (organization_id, readable_id, kind, options, sealed, created_at, hosts)
VALUES (:organization_id, :readable_id, :kind, :options, :sealed, :now, :hosts)
RETURNING readable_id;

-- name: auth_provider_get
SELECT organization_id, readable_id, kind, options, sealed, created_at, hosts FROM auth_provider
WHERE organization_id = :organization_id AND readable_id = :readable_id;

-- name: auth_provider_list
SELECT organization_id, readable_id, kind, options, sealed, created_at, hosts FROM auth_provider
ORDER BY organization_id, readable_id;

-- name: auth_provider_delete
DELETE FROM auth_provider WHERE organization_id = :organization_id AND readable_id = :readable_id
RETURNING readable_id;
