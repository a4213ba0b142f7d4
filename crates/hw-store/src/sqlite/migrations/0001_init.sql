-- The store, version 1. Never edited: what changes later is a further numbered file.
--
-- Times: columns that end in `_at` are on the wall (UTC, microseconds), for people. All other times are microseconds on
-- the store's own clock, which is the host's elapsed one and goes on counting over restarts of the host.
-- A task's key is `number of its job * 2^32 + index`, so that the tasks of a job lie side by side.
-- Documents are JSON with a member `format`, apart from those whose form their kind owns.

CREATE TABLE meta (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Jobs: what changes while they run stands here, what does not in job_document, so that a change rewrites little.
CREATE TABLE job (
    number        INTEGER PRIMARY KEY AUTOINCREMENT,
    id            TEXT    NOT NULL UNIQUE,          -- 32 hexadecimal digits
    id_reversed   TEXT    NOT NULL,
    kind          TEXT    NOT NULL,
    format        INTEGER NOT NULL,
    state         TEXT    NOT NULL,
    settled       INTEGER NOT NULL DEFAULT 0,
    partial       INTEGER NOT NULL DEFAULT 0,
    failure       TEXT,
    cancel_reason TEXT,
    progress      TEXT    NOT NULL,
    task_counts   TEXT    NOT NULL,
    tasks         INTEGER NOT NULL DEFAULT 0,
    attempts      INTEGER NOT NULL DEFAULT 0,
    priority      INTEGER NOT NULL,
    tags          TEXT    NOT NULL,
    owner         TEXT,
    fingerprint   TEXT,
    documents     INTEGER NOT NULL DEFAULT 0,       -- whether a result or an outcome is kept
    dependencies  INTEGER NOT NULL DEFAULT 0,       -- whether any of its tasks waits for another
    created_at    INTEGER NOT NULL,
    started_at    INTEGER,
    ended_at      INTEGER,
    created       INTEGER NOT NULL,
    ended         INTEGER
) STRICT;
CREATE INDEX job_by_end_of_id ON job (id_reversed);
CREATE INDEX job_unsettled ON job (owner) WHERE settled = 0;
CREATE INDEX job_settled ON job (ended) WHERE settled = 1;
CREATE INDEX job_with_documents ON job (ended) WHERE settled = 1 AND documents = 1;
CREATE INDEX job_by_fingerprint ON job (fingerprint, kind) WHERE fingerprint IS NOT NULL;

CREATE TABLE job_document (
    job      INTEGER PRIMARY KEY REFERENCES job (number) ON DELETE CASCADE,
    params   TEXT NOT NULL,
    expanded TEXT NOT NULL,
    details  TEXT NOT NULL
) STRICT;

CREATE TABLE job_result (
    job      INTEGER PRIMARY KEY REFERENCES job (number) ON DELETE CASCADE,
    document TEXT NOT NULL
) STRICT;

CREATE TABLE job_read (
    job      INTEGER NOT NULL REFERENCES job (number) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    name     TEXT    NOT NULL,
    version  INTEGER NOT NULL,
    PRIMARY KEY (job, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX job_read_by_table ON job_read (name, version, job);

CREATE TABLE idempotency (
    key     TEXT PRIMARY KEY,
    request TEXT    NOT NULL,
    job     INTEGER NOT NULL REFERENCES job (number) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_by_job ON idempotency (job);

-- Tasks, likewise in two.
CREATE TABLE task (
    task         INTEGER PRIMARY KEY,
    job          INTEGER NOT NULL,
    state        TEXT    NOT NULL,
    fence        INTEGER NOT NULL DEFAULT 0,
    attempts     INTEGER NOT NULL DEFAULT 0,
    counted      INTEGER NOT NULL DEFAULT 0,
    lost         INTEGER NOT NULL DEFAULT 0,
    deaths       INTEGER NOT NULL DEFAULT 0,
    queued       INTEGER NOT NULL DEFAULT 0,        -- ready, and its job's end was not asked for
    lane         TEXT    NOT NULL,                  -- what it asks of a worker: kind, format, labels
    priority     INTEGER NOT NULL,
    turn         INTEGER NOT NULL DEFAULT 0,
    flow         TEXT    NOT NULL,
    cpu_milli    INTEGER NOT NULL,
    memory_bytes INTEGER NOT NULL,
    affinity     TEXT,
    unmet        INTEGER NOT NULL DEFAULT 0,        -- tasks that must still succeed first
    not_before   INTEGER,
    worker       TEXT,
    lease_until  INTEGER,
    given_up     INTEGER NOT NULL DEFAULT 0,        -- its worker's session was ended: the lease stays over
    failure      TEXT,
    created_at   INTEGER NOT NULL,
    started_at   INTEGER,
    ended_at     INTEGER
) STRICT;
CREATE INDEX task_queue ON task (lane, priority, turn, task) WHERE queued = 1;
CREATE INDEX task_queue_of_job ON task (job, priority, turn, task) WHERE queued = 1;
CREATE INDEX task_queue_of_flow ON task (flow, priority, turn) WHERE queued = 1;
CREATE INDEX task_running ON task (worker) WHERE state = 'running';
CREATE INDEX task_pausing ON task (not_before, task) WHERE state = 'retry_wait';

CREATE TABLE task_document (
    task    INTEGER PRIMARY KEY REFERENCES task (task) ON DELETE CASCADE,
    kind    TEXT    NOT NULL,
    format  INTEGER NOT NULL,
    params  TEXT    NOT NULL,
    details TEXT    NOT NULL
) STRICT;

CREATE TABLE task_outcome (
    task     INTEGER PRIMARY KEY REFERENCES task (task) ON DELETE CASCADE,
    document TEXT NOT NULL
) STRICT;

CREATE TABLE task_after (
    before INTEGER NOT NULL REFERENCES task (task) ON DELETE CASCADE,
    task   INTEGER NOT NULL,
    PRIMARY KEY (before, task)
) STRICT, WITHOUT ROWID;

CREATE TABLE attempt (
    task       INTEGER NOT NULL REFERENCES task (task) ON DELETE CASCADE,
    number     INTEGER NOT NULL,
    fence      INTEGER NOT NULL,
    state      TEXT    NOT NULL,
    worker     TEXT    NOT NULL,
    started_at INTEGER NOT NULL,
    ended_at   INTEGER,
    started    INTEGER NOT NULL,
    took       INTEGER,
    failure    TEXT,
    PRIMARY KEY (task, number)
) STRICT, WITHOUT ROWID;

-- The largest turn claimed so far, for each priority.
CREATE TABLE queue_turn (
    priority INTEGER PRIMARY KEY,
    claimed  INTEGER NOT NULL
) STRICT;

CREATE TABLE event (
    seq     INTEGER PRIMARY KEY AUTOINCREMENT,
    at      INTEGER NOT NULL,                       -- on the wall
    elapsed INTEGER NOT NULL,
    kind    TEXT    NOT NULL,
    subject TEXT    NOT NULL,
    job     TEXT,
    data    TEXT    NOT NULL
) STRICT;
CREATE INDEX event_of_job ON event (job, seq) WHERE job IS NOT NULL;

-- A dropped table keeps its row without a document: if the name is used again, its versions go on counting.
CREATE TABLE catalog_table (
    schema   TEXT    NOT NULL,
    name     TEXT    NOT NULL,
    version  INTEGER NOT NULL,
    document TEXT,
    used_at  INTEGER,
    used     INTEGER,
    PRIMARY KEY (schema, name)
) STRICT;

-- All parts of a version in one document.
CREATE TABLE table_parts (
    schema   TEXT    NOT NULL,
    name     TEXT    NOT NULL,
    version  INTEGER NOT NULL,
    document TEXT    NOT NULL,
    PRIMARY KEY (schema, name, version)
) STRICT;

CREATE TABLE file (
    path  TEXT PRIMARY KEY,
    owner TEXT    NOT NULL,
    state TEXT    NOT NULL,                         -- announced, confirmed or released
    since INTEGER NOT NULL
) STRICT;
CREATE INDEX file_unreferenced ON file (since, path) WHERE state <> 'confirmed';

CREATE TABLE session (
    number        INTEGER PRIMARY KEY AUTOINCREMENT,
    id            TEXT    NOT NULL UNIQUE,
    role          TEXT    NOT NULL,
    host          TEXT    NOT NULL,
    pid           INTEGER NOT NULL,
    process_start TEXT    NOT NULL,
    version       TEXT    NOT NULL,
    lease         INTEGER NOT NULL,
    started_at    INTEGER NOT NULL,
    lease_until   INTEGER NOT NULL
) STRICT;

CREATE TABLE worker (
    id       TEXT PRIMARY KEY,
    session  TEXT    NOT NULL REFERENCES session (id),
    slots    INTEGER NOT NULL,
    labels   TEXT    NOT NULL,
    draining INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX worker_by_session ON worker (session);

CREATE TABLE token (
    name       TEXT PRIMARY KEY,
    role       TEXT    NOT NULL,
    hash       TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX token_by_hash ON token (hash);
