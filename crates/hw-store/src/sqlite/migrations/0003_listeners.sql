-- Readers of the event log whose cursors outlive their processes. One is behind if its cursor lies before the oldest event
-- that is kept by more than one: that is never stored, so that it cannot be wrong.
--
-- From this version on, a file may also be `condemned`: given to a sweeper, and never to be confirmed again.

CREATE TABLE listener (
    name          TEXT PRIMARY KEY,
    cursor        INTEGER NOT NULL,                 -- the last event that it has dealt with
    registered_at INTEGER NOT NULL,
    advanced_at   INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX listener_by_cursor ON listener (cursor);
