-- Origins, as a JSON list, that may receive what the operator's client or account gets, where a
-- connection's configuration leads elsewhere than the source's usual endpoint.
ALTER TABLE oauth_client ADD COLUMN hosts TEXT NOT NULL DEFAULT '[]';
ALTER TABLE auth_provider ADD COLUMN hosts TEXT NOT NULL DEFAULT '[]';
