-- API keys: the SHA-256 of each token, and who its holder is. The tokens themselves are nowhere kept.
CREATE TABLE ragents_api_keys (
    id text PRIMARY KEY,
    sha256 bytea NOT NULL UNIQUE CHECK (octet_length(sha256) = 32),
    tenant text NOT NULL CHECK (tenant <> ''),
    user_id text NOT NULL CHECK (user_id <> ''),
    scopes text[] NOT NULL,
    collections text[] NOT NULL,  -- empty: all of the tenant's
    priority text NOT NULL,
    quota text NOT NULL,
    tools text[] NOT NULL,  -- empty: all of the server's
    label text NOT NULL,
    created timestamptz NOT NULL DEFAULT now(),
    expires timestamptz,
    revoked timestamptz
);
