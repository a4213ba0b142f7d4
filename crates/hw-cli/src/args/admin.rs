//! `headwater demo`, `up`, `worker`, `token`, `config`, `completions`, `explain`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::duration;
use super::table::Page;

/// Show headwater at work on real data
///
/// Writes the data below the data folder, registers them as a table, asks a funnel and prints the answer and what to try
/// next. Safe to run again.
#[derive(Debug, Args)]
#[command(
    after_long_help = "Examples:\n  headwater demo\n  headwater demo funnel --data-dir /tmp/try\n  headwater demo --format html > delays.html"
)]
pub(crate) struct DemoArgs {
    /// Which one
    #[arg(default_value = "funnel")]
    pub(crate) name: String,
}

/// Run the server: HTTP API, scheduler and local workers
///
/// Serves until Ctrl-C or SIGTERM. Other commands of the same data folder find it by themselves, over a Unix socket.
/// Listens on the loopback address unless told otherwise; another address takes a token (`headwater token create`).
#[derive(Debug, Args)]
#[command(
    visible_alias = "serve",
    after_long_help = "Examples:\n  headwater up\n  headwater up --listen 127.0.0.1:0 --data-dir /srv/headwater"
)]
pub(crate) struct UpArgs {
    /// Address of the HTTP API; port 0 picks a free one; may be repeated [default: 127.0.0.1:7080]
    #[arg(long, value_name = "ADDRESS", value_parser = listen)]
    pub(crate) listen: Vec<SocketAddr>,
    /// No HTTP at all, the Unix socket only
    #[arg(long, conflicts_with = "listen")]
    pub(crate) no_http: bool,
}

/// Run a worker process, or list the workers
///
/// Takes tasks from the shared store until Ctrl-C or SIGTERM, then ends what it has begun.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_long_help = "Examples:\n  headwater worker --slots 4\n  headwater worker list"
)]
pub(crate) struct WorkerArgs {
    #[command(subcommand)]
    pub(crate) verb: Option<WorkerVerb>,
    /// Tasks to take at a time [default: as configured]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) slots: Option<u32>,
    /// A label to carry; may be repeated
    #[arg(long = "label", value_name = "LABEL")]
    pub(crate) labels: Vec<String>,
}

/// The verbs of workers.
#[derive(Debug, Subcommand)]
pub(crate) enum WorkerVerb {
    /// List the workers and what they have to do
    #[command(
        visible_alias = "ls",
        after_long_help = "Examples:\n  headwater worker list\n  headwater worker list --label gpu --format jsonl"
    )]
    List {
        /// Only those on this host
        #[arg(long, value_name = "NAME")]
        host: Option<String>,
        /// Only those with this label
        #[arg(long = "label", id = "with_label", value_name = "LABEL")]
        label: Option<String>,
        /// Also those whose process has ended
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        page: Page,
    },
    /// Have a worker end what it has begun and take no new tasks
    ///
    /// A `headwater worker` process then ends by itself; the worker of `headwater up` stays until it is told to take tasks again.
    #[command(after_long_help = "Examples:\n  headwater worker drain 01k9\n  headwater worker drain 01k9 --undo")]
    Drain {
        /// The worker's id, or a part that only it has
        #[arg(value_name = "ID")]
        id: String,
        /// Let it take tasks again
        #[arg(long)]
        undo: bool,
    },
}

/// The verbs of tokens.
#[derive(Debug, Subcommand)]
pub(crate) enum TokenVerb {
    /// Make a token; its text is shown this once
    #[command(
        after_long_help = "Examples:\n  headwater token create --role read --expires 30d\n  \
        headwater token create ci --role write -q > token.txt"
    )]
    Create {
        /// Name of the token; made from the role if absent
        name: Option<String>,
        /// What it allows
        #[arg(long, value_name = "ROLE")]
        role: Role,
        /// How long it is valid, for instance 30d [default: for ever]
        #[arg(long, value_name = "TIME", value_parser = duration::checked)]
        expires: Option<String>,
    },
    /// List the tokens, without their texts
    #[command(
        visible_alias = "ls",
        after_long_help = "Examples:\n  headwater token list\n  headwater token list --role admin --format csv"
    )]
    List {
        /// Only those that allow this
        #[arg(long, value_name = "ROLE")]
        role: Option<Role>,
        #[command(flatten)]
        page: Page,
    },
    /// Show a token, without its text
    #[command(after_long_help = "Examples:\n  headwater token show ci\n  headwater token show ci --format json")]
    Show {
        /// Name of the token
        name: String,
    },
    /// Take a token back: who uses it is let in no more
    #[command(after_long_help = "Examples:\n  headwater token drop ci\n  headwater token drop ci --yes")]
    Drop {
        /// Name of the token
        name: String,
    },
}

/// What a token allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Role {
    /// Query and list
    Read,
    /// Also submit jobs and change tables
    Write,
    /// Everything
    Admin,
}

impl Role {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Admin => "admin",
        }
    }
}

/// The verbs of the configuration.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigVerb {
    /// Show the settings in force and where each came from
    ///
    /// As this folder, the environment and the flags give them; with --server, those of that server.
    #[command(
        after_long_help = "Examples:\n  headwater config show --origin\n  headwater config show --default > headwater.toml"
    )]
    Show {
        /// Only settings whose key contains this
        key: Option<String>,
        /// Where each value came from
        #[arg(long)]
        origin: bool,
        /// The commented defaults file instead
        #[arg(long, conflicts_with_all = ["key", "origin"])]
        default: bool,
    },
    /// Check the settings without starting anything
    ///
    /// Every fault at once. Exits with 3 when there are some.
    #[command(
        after_long_help = "Examples:\n  headwater config check\n  headwater config check --config staging.toml --format json"
    )]
    Check,
    /// Write a consistent copy of the store, also while it is in use
    #[command(
        after_long_help = "Examples:\n  headwater config backup before-upgrade.db\n  headwater config backup /mnt/backup/$(date +%F).db -q"
    )]
    Backup {
        /// File to write; must not exist
        file: PathBuf,
    },
    /// Put a backup in the place of the store
    ///
    /// No server may be running on the data folder. The store that is there now is put aside, not deleted.
    #[command(
        after_long_help = "Examples:\n  headwater config restore before-upgrade.db\n  headwater config restore before-upgrade.db --data-dir /srv/headwater --yes"
    )]
    Restore {
        /// File that `config backup` wrote
        file: PathBuf,
    },
}

/// Print a completion script for a shell
#[derive(Debug, Args)]
#[command(
    after_long_help = "Examples:\n  headwater completions bash > ~/.local/share/bash-completion/completions/headwater\n  \
    headwater completions zsh > \"${fpath[1]}/_headwater\""
)]
pub(crate) struct CompletionArgs {
    /// The shell
    pub(crate) shell: clap_complete::Shell,
}

/// The verbs of the documentation.
#[derive(Debug, Subcommand)]
pub(crate) enum DocsVerb {
    /// Print the manual page of all commands, for `man`
    #[command(
        after_long_help = "Examples:\n  headwater docs man > ~/.local/share/man/man1/headwater.1\n  headwater docs man | man -l -"
    )]
    Man,
    /// List the pages that are inside of the program
    #[command(after_long_help = "Examples:\n  headwater docs list\n  headwater docs list -q")]
    List,
    /// Print a page
    #[command(
        after_long_help = "Examples:\n  headwater docs show first-funnel\n  headwater docs show reference/sql | less"
    )]
    Show {
        /// Name of the page, or the end of it where no other page ends so
        page: String,
    },
    /// Find the lines that hold all the words, in any case
    #[command(
        after_long_help = "Examples:\n  headwater docs search breakdown\n  headwater docs search export groups --format json"
    )]
    Search {
        /// The words
        #[arg(required = true)]
        words: Vec<String>,
    },
}

/// Tell all about an error code; works offline
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:\n  headwater explain HW-C051\n  headwater explain")]
pub(crate) struct ErrorPageArgs {
    /// The code, for instance HW-C051; without it, the list of all codes
    pub(crate) code: Option<String>,
}

/// An address: `HOST:PORT`, `:PORT` or `PORT`, where `localhost` and no host mean the loopback address.
fn listen(text: &str) -> Result<SocketAddr, String> {
    let (host, port) = text.rsplit_once(':').unwrap_or(("", text));
    let full = match host {
        "" | "localhost" => format!("127.0.0.1:{port}"),
        _ => text.to_owned(),
    };
    full.parse()
        .map_err(|_| "write an IP address and a port: `127.0.0.1:7080`, `[::1]:0`, `:7080`".to_owned())
}
