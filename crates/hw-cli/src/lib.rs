//! Commands, output formats, diagnostics, shell, progress; talks to a router only.
//!
//! Every verb is the same three steps: arguments become requests, requests go to the router (over HTTP, over the Unix
//! socket of a running `headwater up`, or in this process), answers are rendered. Data go to standard output, all else to
//! standard error.
//!
//! ```text
//! args ──▶ verbs ──▶ client ──▶ transport ──▶ http | unix | local (Program::open)
//!            │                                   │
//!            ▼                                   ▼
//!          render ◀───────────────────── answers, streamed
//! ```
//!
//! The crate does not know the store, the engine, or how a server is made: the binary hands in a [`Program`].

mod args;
mod client;
mod console;
mod context;
mod failure;
mod interrupts;
mod output;
mod pointer;
mod process;
mod program;
mod progress;
mod render;
mod run;
mod shell;
mod source;
mod style;
mod surroundings;
mod terminal;
#[cfg(test)]
mod tests;
mod transport;
mod verbs;

pub use interrupts::Interrupts;
pub use program::{
    BoxError, ConfigSource, DemoData, LocalOptions, LocalRouter, Program, Restored, RouterBody, RouterService,
    UpOptions, WorkerOptions,
};
pub use run::{main, run};
pub use surroundings::Surroundings;
