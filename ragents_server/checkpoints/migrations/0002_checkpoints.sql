-- What threads remember: checkpoints of their graphs, the parts of values that checkpoints refer to, and writes that
-- wait on a checkpoint. Nothing refers to the table `threads`: LangGraph's own threads have no row there.

CREATE TABLE checkpoints (
    thread text COLLATE "C" NOT NULL,
    ns text COLLATE "C" NOT NULL,                       -- of a subgraph; empty: the root graph
    id text COLLATE "C" NOT NULL,
    n bigint GENERATED ALWAYS AS IDENTITY,              -- the order in which they came: ids carry clocks of replicas
    parent text COLLATE "C",
    root text COLLATE "C",                              -- of a subgraph's: the root graph's one it was made under
    open boolean NOT NULL,                              -- channels are rebuilt from writes to its parent
    metadata json NOT NULL,                             -- json, not jsonb: the tag covers its very text
    digests bytea[] NOT NULL,                           -- of the parts it refers to
    body bytea NOT NULL,
    tag bytea NOT NULL,
    PRIMARY KEY (thread, ns, id)
);

CREATE TABLE checkpoint_segments (                      -- each part of a thread's values once
    thread text COLLATE "C" NOT NULL,
    digest bytea NOT NULL,                              -- of thread and body
    body bytea NOT NULL,
    PRIMARY KEY (thread, digest)
);

CREATE TABLE checkpoint_writes (
    thread text COLLATE "C" NOT NULL,
    ns text COLLATE "C" NOT NULL,
    checkpoint text COLLATE "C" NOT NULL,               -- may come after its writes
    task text COLLATE "C" NOT NULL,
    idx integer NOT NULL,
    path text COLLATE "C" NOT NULL,
    channel text COLLATE "C" NOT NULL,
    body bytea NOT NULL,
    tag bytea NOT NULL,
    PRIMARY KEY (thread, ns, checkpoint, task, idx)
);

-- They are compressed already.
ALTER TABLE checkpoints ALTER digests SET STORAGE EXTERNAL, ALTER body SET STORAGE EXTERNAL;
ALTER TABLE checkpoint_segments ALTER body SET STORAGE EXTERNAL;
ALTER TABLE checkpoint_writes ALTER body SET STORAGE EXTERNAL;
