-- name: auth_session_begin
-- Replaces the connection's last session; no row when the connection is gone.
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
-- The last session of a connection.
WHERE c.id = :connection_id AND c.organization_id = :organization_id;

-- name: auth_session_by_link
-- The session whose link is not used yet.
WHERE s.link = :digest;

-- name: auth_session_by_state
-- The session whose state is not used yet.
WHERE s.state = :digest;

-- name: auth_session_start
-- Uses the link up: whoever comes second updates nothing.
UPDATE auth_session SET link = NULL, state = :state, browser = :browser, sealed = :sealed
WHERE link = :link RETURNING connection_no;

-- name: auth_session_use_state
-- Uses the state up: whoever comes second updates nothing.
UPDATE auth_session SET state = NULL, browser = NULL WHERE state = :state RETURNING connection_no;

-- name: auth_session_complete
-- Ends the session that the claim is for.
UPDATE auth_session SET link = NULL, state = NULL, browser = NULL, completed_at = :now
WHERE claim = :claim AND connection_no = (SELECT no FROM connection WHERE id = :connection_id)
RETURNING connection_no;

-- name: auth_session_overtaken
-- The connection was authorised, in whatever way: what waited for that is over.
UPDATE auth_session SET link = NULL, state = NULL, browser = NULL,
  completed_at = coalesce(completed_at, :now)
WHERE connection_no = :no;

-- name: token_state
-- The credentials to compare with those that the asker saw.
SELECT no, credentials, auth_expires_at FROM connection WHERE id = :connection_id;

-- name: token_lease_take
-- The one who has it, has it to its end; unless the end is so far away that the clock went back. One
-- lease more than :until is allowed for whoever read the clock later and came first all the same.
INSERT INTO token_lease (connection_no, holder, until) VALUES (:no, :holder, :until)
ON CONFLICT DO UPDATE SET holder = excluded.holder, until = excluded.until
WHERE token_lease.until <= :now OR token_lease.until > 2 * :until - :now
RETURNING holder;

-- name: token_store
-- Stores new tokens if the holder still has the lease, also while the connection is deleted: it may
-- be restored, and the old tokens are spent.
UPDATE any_connection SET credentials = :sealed, auth_expires_at = :expires_at
WHERE id = :connection_id
  AND EXISTS (SELECT 1 FROM token_lease l WHERE l.connection_no = no AND l.holder = :holder)
RETURNING no;

-- name: token_lease_release
-- Gives a lease back, if the holder still has it.
DELETE FROM token_lease WHERE holder = :holder
  AND connection_no = (SELECT no FROM any_connection WHERE id = :connection_id);

-- name: token_lease_revoke
-- The credentials were replaced: what a refresh of the old ones brings is not wanted any more.
DELETE FROM token_lease WHERE connection_no = :no;

-- name: oauth_client_put
-- Stores or replaces the client of a source.
INSERT INTO oauth_client (short_name, client_id, origin, sealed, created_at, hosts)
VALUES (:short_name, :client_id, :origin, :sealed, :now, :hosts)
ON CONFLICT DO UPDATE SET client_id = excluded.client_id, origin = excluded.origin, sealed = excluded.sealed,
  created_at = excluded.created_at, hosts = excluded.hosts
RETURNING short_name;

-- name: oauth_client_get
-- The client of one source.
SELECT short_name, client_id, origin, sealed, created_at, hosts FROM oauth_client
WHERE short_name = :short_name;

-- name: oauth_client_list
-- All clients, by source.
SELECT short_name, client_id, origin, sealed, created_at, hosts FROM oauth_client ORDER BY short_name;

-- name: oauth_client_delete
-- Removes the client of a source.
DELETE FROM oauth_client WHERE short_name = :short_name RETURNING short_name;

-- name: auth_provider_insert
-- Fails on the primary key when the organisation has one of that id.
INSERT INTO auth_provider (organization_id, readable_id, kind, options, sealed, created_at, hosts)
VALUES (:organization_id, :readable_id, :kind, :options, :sealed, :now, :hosts)
RETURNING readable_id;

-- name: auth_provider_get
-- One account of an organisation.
SELECT organization_id, readable_id, kind, options, sealed, created_at, hosts FROM auth_provider
WHERE organization_id = :organization_id AND readable_id = :readable_id;

-- name: auth_provider_list
-- The accounts of all organisations.
SELECT organization_id, readable_id, kind, options, sealed, created_at, hosts FROM auth_provider
ORDER BY organization_id, readable_id;

-- name: auth_provider_delete
-- Removes an account.
DELETE FROM auth_provider WHERE organization_id = :organization_id AND readable_id = :readable_id
RETURNING readable_id;
