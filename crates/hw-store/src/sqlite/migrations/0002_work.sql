-- What tasks have worked off so far, and jobs that start later.

-- Rows dealt with and bytes read: of a task in its newest attempt that told of any, of a job by all its tasks.
ALTER TABLE task ADD COLUMN rows INTEGER NOT NULL DEFAULT 0;
ALTER TABLE task ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE job ADD COLUMN rows INTEGER NOT NULL DEFAULT 0;
ALTER TABLE job ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0;

-- Tasks that wait for nothing but a time.
CREATE INDEX task_delayed ON task (not_before, task) WHERE state = 'waiting' AND not_before IS NOT NULL;
