-- What caches must know: the state of each collection, what was cleared, and which documents have gone.

-- Drawn anew with every change. An epoch alone would come again in a database that was restored or made anew beside
-- the same Redis; a state never does.
ALTER TABLE collections ADD COLUMN state uuid NOT NULL DEFAULT gen_random_uuid();

-- A clearing's number rises in the order of commits: it is drawn under a lock that is held until the commit.
CREATE TABLE cache_clearings (
    number bigint PRIMARY KEY,                                          -- milliseconds since 1970, or the next one
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
