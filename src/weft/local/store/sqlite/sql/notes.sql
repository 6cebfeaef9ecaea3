-- name: note_put
-- Stores or replaces a note; its lease stays.
INSERT INTO remote_note (scope, kind, id, organization_id, owner, sealed, link, expires_at)
VALUES (:scope, :kind, :id, :organization_id, :owner, :sealed, :link, :expires_at)
ON CONFLICT DO UPDATE SET sealed = excluded.sealed, link = excluded.link,
  expires_at = excluded.expires_at;

-- name: note_columns
-- The start of every query that returns notes.
SELECT scope, kind, id, organization_id, owner, sealed, link, expires_at FROM remote_note

-- name: note_get
-- One note, unless it has expired.
WHERE scope = :scope AND kind = :kind AND id = :id AND expires_at > :now;

-- name: note_by_link
-- The note with that unused link.
WHERE scope = :scope AND link = :link AND expires_at > :now;

-- name: note_list
-- The notes of a kind, soonest to expire first.
WHERE scope = :scope AND kind = :kind AND expires_at > :now ORDER BY expires_at, id;

-- name: note_lease
-- Takes or extends the lease, unless somebody else holds it.
UPDATE remote_note SET holder = :holder, held_until = :until
WHERE scope = :scope AND kind = :kind AND id = :id AND expires_at > :now
  AND (holder IS NULL OR holder = :holder OR held_until <= :now)
RETURNING id;

-- name: note_release
-- Gives the lease back.
UPDATE remote_note SET holder = NULL, held_until = NULL
WHERE scope = :scope AND kind = :kind AND id = :id AND holder = :holder
RETURNING id;

-- name: note_drop
-- Removes a note; returns whose data key goes with it.
DELETE FROM remote_note WHERE scope = :scope AND kind = :kind AND id = :id
RETURNING organization_id, owner;

-- name: note_drop_expired
-- Removes what has expired, but for the owner who is just storing; returns whose data keys go too.
DELETE FROM remote_note WHERE expires_at <= :now AND owner <> :owner
RETURNING organization_id, owner;
