//! Commands, output formats, diagnostics, shell, progress; talks to a router only.
