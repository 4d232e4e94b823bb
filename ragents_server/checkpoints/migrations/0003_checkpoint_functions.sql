-- Functions, not statements: planned once a connection, and by indexes whatever the tables' size was then. A release that
-- needs others adds them under another number and leaves these to replicas of the release before.

-- Drops those of these parts that no checkpoint of their thread refers to any more.
CREATE FUNCTION clear_checkpoint_segments_1(threads text[], digests bytea[]) RETURNS void
LANGUAGE sql SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
    DELETE FROM checkpoint_segments s USING unnest($1, $2) AS g(thread, digest)
    WHERE s.thread = g.thread AND s.digest = g.digest AND NOT EXISTS (
        SELECT FROM checkpoints c WHERE c.thread = g.thread AND g.digest = ANY(c.digests)
    )
$$;

-- Drops what is over `keeps` of threads, the oldest first, subgraphs' checkpoints with their root's. What must stay: the
-- root graph's latest and the one that the last answered turn ended with; of each subgraph that is under way its latest;
-- of each that remembers from call to call (its namespace names no task) the latest, and the latest at that answer; and
-- whatever an open one is rebuilt from.
CREATE FUNCTION retain_checkpoints_1(crowded text[], keeps integer[]) RETURNS void
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
    loose record;
BEGIN
    WITH RECURSIVE entry AS MATERIALIZED (
        SELECT g.i, g.keep, c.ns, c.id, c.n, c.parent, c.root, c.open,
            (SELECT t.base FROM threads t WHERE t.key = g.thread) AS base
        FROM unnest(crowded, keeps) WITH ORDINALITY AS g(thread, keep, i) JOIN checkpoints c ON c.thread = g.thread
    ), root AS MATERIALIZED (
        SELECT i, id, n, parent, open, keep, id = base AS is_base,
            row_number() OVER (PARTITION BY i ORDER BY n DESC) AS age
        FROM entry WHERE ns = ''
    ), head AS MATERIALIZED (
        SELECT i, max(id) FILTER (WHERE age = 1) AS id, max(n) FILTER (WHERE age = 2) AS before,
            max(n) FILTER (WHERE is_base) AS base_n
        FROM root GROUP BY i
    ), sub AS MATERIALIZED (
        SELECT e.*, r.open AS root_open, coalesce(r.n, e.n) AS unit, h.base_n, e.root = h.id AS is_head,
            position(':' IN e.ns) = 0 AS lasting,
            -- It may come before its root's, which is saved in the background: then it is under way.
            r.n IS NULL AND (e.root IS NULL OR h.id IS NULL OR e.root > h.id OR e.n > coalesce(h.before, 0)) AS early
        FROM entry e LEFT JOIN head h USING (i) LEFT JOIN root r ON r.i = e.i AND r.id = e.root
        WHERE e.ns <> ''
    ), judged AS (
        SELECT i, '' AS ns, id, n, parent, open, keep, n AS unit, age = 1 OR coalesce(is_base, false) AS needed,
            false AS superseded, open AS hard
        FROM root
        UNION ALL
        SELECT i, ns, id, n, parent, open, keep, unit,
            coalesce(
                first_value(n) OVER (PARTITION BY i, ns ORDER BY n DESC) = n AND (lasting OR is_head OR early)
                OR lasting AND unit < base_n AND n = first_value(n) OVER (
                    PARTITION BY i, ns ORDER BY coalesce(unit < base_n, false) DESC, n DESC
                ), false),
            first_value(n) OVER (PARTITION BY i, ns, root ORDER BY n DESC) <> n,
            open OR coalesce(root_open, false)
        FROM sub
    ), ranked AS MATERIALIZED (
        SELECT i, ns, id, parent, open, needed OR NOT hard AND keep >= row_number() OVER (
            PARTITION BY i ORDER BY needed DESC, hard, superseded, unit DESC, ns <> '', n DESC
        ) AS kept
        FROM judged
    ), kept AS (
        SELECT i, ns, id, parent, open FROM ranked WHERE kept AND open
        UNION
        SELECT r.i, r.ns, r.id, r.parent, r.open
        FROM kept k JOIN ranked r ON k.open AND r.i = k.i AND r.ns = k.ns AND r.id = k.parent
    ), gone AS MATERIALIZED (
        SELECT crowded[r.i] AS thread, r.ns, r.id FROM ranked r
        WHERE NOT r.kept AND NOT EXISTS (SELECT FROM kept k WHERE k.i = r.i AND k.ns = r.ns AND k.id = r.id)
    ), unwritten AS (
        DELETE FROM checkpoint_writes w USING gone g WHERE w.thread = g.thread AND w.ns = g.ns AND w.checkpoint = g.id
    ), dropped AS (
        DELETE FROM checkpoints c USING gone g WHERE c.thread = g.thread AND c.ns = g.ns AND c.id = g.id
        RETURNING c.thread, c.digests
    )
    SELECT array_agg(l.thread) AS threads, array_agg(l.digest) AS digests INTO loose
    FROM (SELECT DISTINCT d.thread, p.digest FROM dropped d, unnest(d.digests) AS p(digest)) l;
    IF loose.threads IS NOT NULL THEN
        PERFORM clear_checkpoint_segments_1(loose.threads, loose.digests);
    END IF;
END $$;

-- Puts writes, and checkpoints of as many threads: fenced, stored, their threads pruned. Writes come first, so that those
-- to a checkpoint that is pruned go with it.
CREATE FUNCTION put_checkpoints_1(
    threads text[], nss text[], ids text[], parents text[], roots text[], opens boolean[], metadatas text[],
    digests bytea[], bodies bytea[], tags bytea[], needs bytea[], keeps integer[], tokens bigint[], runs text[],
    outcomes bytea[], part_threads text[], part_digests bytea[], part_bodies bytea[],
    write_threads text[], write_nss text[], write_checkpoints text[], write_tasks text[], write_idxs integer[],
    write_paths text[], write_channels text[], write_bodies bytea[], write_tags bytea[], write_tokens bigint[]
) RETURNS TABLE (item text, lease bigint, verdict text)
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET lock_timeout = '2s' AS $$
#variable_conflict use_column
DECLARE
    lacking text[] := '{}';
    accepted text[];
    old record;
BEGIN
    -- The threads' rows are locked, so that nobody takes one over meanwhile.
    PERFORM FROM threads t WHERE t.key = ANY(ARRAY(
        SELECT g.thread FROM unnest(threads || write_threads, tokens || write_tokens) AS g(thread, token)
        WHERE g.token IS NOT NULL
    )) ORDER BY t.key FOR NO KEY UPDATE;
    IF write_threads <> '{}' THEN
        INSERT INTO checkpoint_writes (thread, ns, checkpoint, task, idx, path, channel, body, tag)
        SELECT g.thread, g.ns, g.checkpoint, g.task, g.idx, g.path, g.channel, g.body, g.tag
        FROM unnest(
            write_threads, write_nss, write_checkpoints, write_tasks, write_idxs, write_paths, write_channels,
            write_bodies, write_tags, write_tokens
        ) AS g(thread, ns, checkpoint, task, idx, path, channel, body, tag, token)
        WHERE g.token IS NULL OR EXISTS (SELECT FROM threads t WHERE t.key = g.thread AND t.token = g.token)
        ON CONFLICT (thread, ns, checkpoint, task, idx) DO UPDATE
            SET path = EXCLUDED.path, channel = EXCLUDED.channel, body = EXCLUDED.body, tag = EXCLUDED.tag
            WHERE EXCLUDED.idx < 0;
        RETURN QUERY SELECT DISTINCT g.thread, g.token, 'lost'
            FROM unnest(write_threads, write_tokens) AS g(thread, token)
            WHERE g.token IS NOT NULL
                AND NOT EXISTS (SELECT FROM threads t WHERE t.key = g.thread AND t.token = g.token);
    END IF;
    IF threads = '{}' THEN
        RETURN;
    END IF;
    lacking := ARRAY(
        SELECT DISTINCT g.thread
        FROM unnest(threads, needs) AS g(thread, needs), generate_series(0, length(g.needs) / 16 - 1) AS at
        WHERE (
            SELECT true FROM checkpoint_segments s
            WHERE s.thread = g.thread AND s.digest = substring(g.needs FROM at * 16 + 1 FOR 16) LIMIT 1
        ) IS NULL
    );
    accepted := ARRAY(
        SELECT g.thread FROM unnest(threads, nss, parents, tokens) AS g(thread, ns, parent, token)
        WHERE g.thread <> ALL(lacking) AND (g.token IS NULL OR EXISTS (
            SELECT FROM threads t
            WHERE t.key = g.thread AND t.token = g.token AND (g.ns <> '' OR t.head IS NOT DISTINCT FROM g.parent)
        ))
    );
    SELECT array_agg(c.thread) AS threads, array_agg(d.digest) AS digests INTO old
    FROM unnest(threads, nss, ids) AS g(thread, ns, id)
    JOIN checkpoints c ON c.thread = g.thread AND c.ns = g.ns AND c.id = g.id, unnest(c.digests) AS d(digest)
    WHERE g.thread = ANY(accepted);
    INSERT INTO checkpoints (thread, ns, id, parent, root, open, metadata, digests, body, tag)
    SELECT g.thread, g.ns, g.id, g.parent, g.root, g.open, g.metadata::json, ARRAY(
            SELECT substring(g.digests FROM at * 16 + 1 FOR 16)
            FROM generate_series(0, length(g.digests) / 16 - 1) AS at
        ), g.body, g.tag
    FROM unnest(threads, nss, ids, parents, roots, opens, metadatas, digests, bodies, tags)
        AS g(thread, ns, id, parent, root, open, metadata, digests, body, tag)
    WHERE g.thread = ANY(accepted)
    ON CONFLICT (thread, ns, id) DO UPDATE SET parent = EXCLUDED.parent, root = EXCLUDED.root, open = EXCLUDED.open,
        metadata = EXCLUDED.metadata, digests = EXCLUDED.digests, body = EXCLUDED.body, tag = EXCLUDED.tag;
    INSERT INTO checkpoint_segments (thread, digest, body)
    SELECT g.thread, g.digest, g.body FROM unnest(part_threads, part_digests, part_bodies) AS g(thread, digest, body)
    WHERE g.thread = ANY(accepted)
    ON CONFLICT DO NOTHING;
    UPDATE threads t SET head = g.id, base = CASE WHEN g.outcome IS NULL THEN t.base ELSE g.id END,
        turns = t.turns + (g.outcome IS NOT NULL)::integer,
        leased_until = CASE WHEN g.outcome IS NULL THEN t.leased_until ELSE '-infinity' END,
        update_time = CASE WHEN g.outcome IS NULL THEN t.update_time ELSE now() END
    FROM unnest(threads, nss, ids, tokens, outcomes) AS g(thread, ns, id, token, outcome)
    WHERE t.key = g.thread AND g.thread = ANY(accepted) AND g.token IS NOT NULL AND g.ns = '';
    UPDATE runs r SET state = 4, outcome = g.outcome, update_time = now()
    FROM unnest(threads, runs, outcomes) AS g(thread, run, outcome)
    WHERE r.id = g.run AND g.thread = ANY(accepted) AND g.outcome IS NOT NULL;
    IF old.threads IS NOT NULL THEN
        PERFORM clear_checkpoint_segments_1(old.threads, old.digests);
    END IF;
    PERFORM retain_checkpoints_1(array_agg(g.thread), array_agg(g.keep))
    FROM unnest(threads, keeps) AS g(thread, keep)
    WHERE g.thread = ANY(accepted)
        AND (SELECT count(*) FROM checkpoints c WHERE c.thread = g.thread) > g.keep
    HAVING count(*) > 0;
    RETURN QUERY SELECT g.thread, NULL::bigint, CASE WHEN g.thread = ANY(accepted) THEN 'put'
        WHEN g.thread = ANY(lacking) THEN 'lacking' ELSE 'refused' END
    FROM unnest(threads) AS g(thread);
END $$;

-- Drops what came after a checkpoint of the root graph, or everything; inside a fence the thread's head is moved back.
CREATE FUNCTION rewind_checkpoints_1(rewound text, target text, fence bigint) RETURNS text
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
    place bigint;
    loose bytea[];
BEGIN
    PERFORM FROM threads t WHERE t.key = rewound AND t.token = fence FOR NO KEY UPDATE;
    IF NOT FOUND AND fence IS NOT NULL THEN
        RETURN 'lost';
    END IF;
    SELECT c.n INTO place FROM checkpoints c WHERE c.thread = rewound AND c.ns = '' AND c.id = target;
    IF NOT FOUND AND target IS NOT NULL THEN
        RETURN 'missing';
    END IF;
    WITH gone AS (
        DELETE FROM checkpoints c
        WHERE c.thread = rewound AND (target IS NULL OR CASE WHEN c.ns = '' THEN c.n > place ELSE coalesce((
            SELECT r.n FROM checkpoints r WHERE r.thread = rewound AND r.ns = '' AND r.id = c.root
        ), c.n) >= place END)
        RETURNING c.digests
    )
    SELECT array_agg(DISTINCT d.digest) INTO loose FROM gone g, unnest(g.digests) AS d(digest);
    PERFORM clear_checkpoint_segments_1(array_fill(rewound, ARRAY[cardinality(loose)]), loose) WHERE loose IS NOT NULL;
    -- What was written after the checkpoint itself was undone with the rest, unless it waits for a reply there.
    DELETE FROM checkpoint_writes w
    WHERE w.thread = rewound AND NOT EXISTS (
        SELECT FROM checkpoints c WHERE c.thread = rewound AND c.ns = w.ns AND c.id = w.checkpoint
            AND (c.ns <> '' OR c.id IS DISTINCT FROM target OR EXISTS (
                SELECT FROM checkpoint_writes i
                WHERE i.thread = rewound AND i.ns = '' AND i.checkpoint = target AND i.channel = '__interrupt__'
            ))
    );
    UPDATE threads t SET head = target WHERE t.key = rewound AND t.token = fence;
    RETURN 'rewound';
END $$;

CREATE FUNCTION delete_checkpoint_runs_1(runs text[]) RETURNS void LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    loose record;
BEGIN
    WITH gone AS (
        DELETE FROM checkpoints c WHERE c.metadata ->> 'run_id' = ANY(runs) RETURNING c.thread, c.ns, c.id, c.digests
    ), unwritten AS (
        DELETE FROM checkpoint_writes w USING gone g WHERE w.thread = g.thread AND w.ns = g.ns AND w.checkpoint = g.id
    )
    SELECT array_agg(g.thread) AS threads, array_agg(d.digest) AS digests INTO loose
    FROM gone g, unnest(g.digests) AS d(digest);
    IF loose.threads IS NOT NULL THEN
        PERFORM clear_checkpoint_segments_1(loose.threads, loose.digests);
    END IF;
END $$;
