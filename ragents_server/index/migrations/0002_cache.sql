-- What caches must know: what was cleared, and which documents have gone. Neither is a cache itself.

-- A clearing's number rises in the order of commits: it is drawn under a lock that is held until the commit.
CREATE SEQUENCE cache_clearing_numbers;

CREATE TABLE cache_clearings (
    number bigint PRIMARY KEY DEFAULT nextval('cache_clearing_numbers'),
    tenant text COLLATE "C",                                            -- NULL: all tenants
    layers text[] NOT NULL,
    collection text NOT NULL,                                           -- '' means any, here and below
    document text NOT NULL,
    digest bytea NOT NULL,
    create_time timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX cache_clearings_tenant ON cache_clearings (tenant);

-- Versions of documents that were deleted or replaced, until no cache holds anything of them.
CREATE TABLE document_removals (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant text COLLATE "C" NOT NULL,
    document uuid NOT NULL,
    version text COLLATE "C" NOT NULL,
    remove_time timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX document_removals_time ON document_removals (remove_time);
