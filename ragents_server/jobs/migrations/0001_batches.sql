-- Batches of questions that are answered in the background, and their items, which are the queue.

CREATE TABLE batches (
    id text COLLATE "C" PRIMARY KEY,                                    -- a hash of tenant, user and request_id
    tenant text COLLATE "C" NOT NULL,
    owner text COLLATE "C" NOT NULL,                                    -- the user
    caller text NOT NULL,                                               -- as whom the questions are answered
    digest bytea NOT NULL,                                              -- of the request: the same id again must ask the same
    total integer NOT NULL,
    done integer NOT NULL DEFAULT 0,                                    -- items that have an outcome
    cancelled boolean NOT NULL DEFAULT false,
    ended boolean NOT NULL DEFAULT false,                               -- no item waits
    create_time timestamptz NOT NULL DEFAULT now(),
    update_time timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50);
CREATE INDEX batches_open ON batches (tenant) WHERE NOT ended;
CREATE INDEX batches_ended ON batches (update_time) WHERE ended;

CREATE TABLE batch_items (
    batch text COLLATE "C" NOT NULL REFERENCES batches ON DELETE CASCADE,
    index integer NOT NULL,                                             -- the question's place, from 0
    seq bigint GENERATED ALWAYS AS IDENTITY,                            -- the place in the queue
    priority smallint NOT NULL,                                         -- 0 LOW to 3 CRITICAL
    question bytea,                                                     -- dropped when it is over
    token bigint NOT NULL DEFAULT 0,                                    -- rises with every lease: who has an old one may not write
    attempts integer NOT NULL DEFAULT 0,
    free_at timestamptz NOT NULL DEFAULT now(),                         -- nobody else may take it before: a lease, or a pause
    waiting boolean NOT NULL DEFAULT true,                              -- without an outcome, and wanted
    dead boolean NOT NULL DEFAULT false,                                -- a dead letter
    outcome bytea,
    end_time timestamptz,
    PRIMARY KEY (batch, index)
) WITH (fillfactor = 70);
ALTER TABLE batch_items ALTER COLUMN outcome SET STORAGE EXTERNAL;
CREATE INDEX batch_items_waiting ON batch_items (priority, seq) WHERE waiting;
CREATE INDEX batch_items_dead ON batch_items (end_time) WHERE dead;

-- Takes the first free item of the first of these priorities that has any. Those that others are taking are passed by.
CREATE FUNCTION take_batch_item_1(priorities smallint[], lease interval)
RETURNS TABLE (batch text, index integer, priority smallint, token bigint, attempts integer, question bytea,
    tenant text, caller text, age double precision)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    wanted smallint;
    taken batch_items;
BEGIN
    FOREACH wanted IN ARRAY priorities LOOP
        UPDATE batch_items i SET token = i.token + 1, attempts = i.attempts + 1, free_at = clock_timestamp() + lease
        WHERE (i.batch, i.index) = (
            SELECT f.batch, f.index FROM batch_items f
            WHERE f.waiting AND f.priority = wanted AND f.free_at <= clock_timestamp()
            ORDER BY f.seq LIMIT 1 FOR UPDATE SKIP LOCKED
        )
        RETURNING i.* INTO taken;
        IF FOUND THEN
            RETURN QUERY SELECT taken.batch, taken.index, taken.priority, taken.token, taken.attempts, taken.question,
                b.tenant, b.caller, extract(epoch FROM clock_timestamp() - b.create_time)::double precision
            FROM batches b WHERE b.id = taken.batch;
            RETURN;
        END IF;
    END LOOP;
END
$$;

-- Ends an item for whoever has the token; the batch is locked first, as a cancel does.
CREATE FUNCTION finish_batch_item_1(of_batch text, at integer, held bigint, told bytea, is_dead boolean) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM batches WHERE id = of_batch FOR UPDATE;
    UPDATE batch_items SET outcome = told, question = NULL, waiting = false, dead = is_dead, end_time = clock_timestamp()
    WHERE batch = of_batch AND index = at AND token = held AND waiting;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    UPDATE batches SET done = done + 1, ended = done + 1 = total, update_time = clock_timestamp() WHERE id = of_batch;
    RETURN true;
END
$$;
