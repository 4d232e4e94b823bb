-- Threads, the runs of their turns, and the events of runs. What a thread remembers is in its checkpoints.

CREATE TABLE threads (
    key text COLLATE "C" PRIMARY KEY,                                   -- a hash of the next three; LangGraph's thread_id
    tenant text COLLATE "C" NOT NULL,
    owner text COLLATE "C" NOT NULL,                                    -- the user
    id text COLLATE "C" NOT NULL,
    agent text COLLATE "C" NOT NULL,
    title text NOT NULL,
    turns integer NOT NULL DEFAULT 0,                                   -- that ended with an answer
    token bigint NOT NULL DEFAULT 0,                                    -- rises with every lease: who has an old one may not write
    leased_until timestamptz NOT NULL DEFAULT '-infinity',
    run text COLLATE "C",                                               -- the latest one
    head text COLLATE "C",                                              -- the checkpoint that was saved last
    base text COLLATE "C",                                              -- the checkpoint that the last answered turn ended with
    fork bytea,                                                         -- digest of the request that it was forked by
    create_time timestamptz NOT NULL DEFAULT now(),
    update_time timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50);
CREATE INDEX threads_owner ON threads (tenant, owner, update_time, key);
CREATE INDEX threads_update_time ON threads (update_time);

CREATE TABLE runs (
    id text COLLATE "C" PRIMARY KEY,                                    -- a hash of tenant, user and request_id
    thread text COLLATE "C" NOT NULL REFERENCES threads ON DELETE CASCADE,
    digest bytea NOT NULL,                                              -- of the request: the same id again must ask the same
    turn bytea NOT NULL,                                                -- a Turn, so that any replica can go on with it
    caller text NOT NULL,                                               -- for whom: what its credential granted, as JSON
    state smallint NOT NULL,                                            -- a RunState
    attempt integer NOT NULL DEFAULT 1,
    outcome bytea,                                                      -- a Run with nothing but its outcome
    reply_to text COLLATE "C",                                          -- the run whose interrupt it replies to
    detached boolean NOT NULL,
    create_time timestamptz NOT NULL DEFAULT now(),
    update_time timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50);
CREATE INDEX runs_thread ON runs (thread);
CREATE UNIQUE INDEX runs_reply ON runs (reply_to);                      -- an interrupt is replied to once
CREATE INDEX runs_detached ON runs (id) WHERE detached AND state = 2;   -- which another replica takes up
CREATE INDEX runs_update_time ON runs (update_time);

CREATE TABLE run_events (
    run text COLLATE "C" NOT NULL REFERENCES runs ON DELETE CASCADE,
    seq integer NOT NULL,                                               -- of its first event
    last integer NOT NULL,
    events bytea NOT NULL,                                              -- Event messages, each after its length as a varint;
                                                                        -- empty: one that tells the run's outcome
    PRIMARY KEY (run, seq)
);
