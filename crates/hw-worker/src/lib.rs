//! The doing loop: claim, run, heartbeat, report; one file per task kind.
