//! Funnel Rocket's commands as other names of ours. They work, and are in no help and no proposal: ours are the ones to
//! learn. So they are a command line of their own, which is read where ours knows no such command.

use std::ffi::OsString;

use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand};

use super::admin::ConfigVerb;
use super::funnel::{FunnelVerb, QueryArgs, RunArgs, ValidateArgs};
use super::job::JobVerb;
use super::table::{JobArgs, Page, RegisterArgs, RepartitionArgs, TableVerb, Validation};
use super::{Command, CommandLine, Global};

/// A line with one of Funnel Rocket's commands.
#[derive(Debug, Parser)]
#[command(name = "headwater", version, about = "Funnel Rocket's commands")]
struct RocketLine {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    verb: RocketVerb,
}

/// The line in our own words where it is one of Funnel Rocket's, else the refusal that it met as one of ours.
///
/// # Errors
/// That refusal; or what is wrong with the options of Funnel Rocket's command.
pub(crate) fn or_rocket(refused: clap::Error, arguments: &[OsString]) -> Result<CommandLine, clap::Error> {
    // `config` alone is one of theirs, and half of one of ours.
    let is_half = matches!(
        refused.kind(),
        ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    );
    if !is_half && refused.kind() != ErrorKind::InvalidSubcommand {
        return Err(refused);
    }
    match RocketLine::try_parse_from(arguments) {
        Ok(line) => Ok(line.ours()),
        Err(error) if is_half || error.kind() == ErrorKind::InvalidSubcommand => Err(refused),
        Err(error) => Err(error),
    }
}

impl RocketLine {
    fn ours(self) -> CommandLine {
        let mut global = self.global;
        // Where ours ask before something is lost, Funnel Rocket's never do.
        global.yes |= matches!(self.verb, RocketVerb::Unregister { .. });
        CommandLine {
            global,
            command: Some(self.verb.ours()),
        }
    }
}

/// Funnel Rocket's commands. `worker` is a noun of ours with the same meaning, `serve` another name of `up`.
#[derive(Debug, Subcommand)]
enum RocketVerb {
    Register(RocketRegisterArgs),
    /// As `table list`
    List(Page),
    /// As `table show`
    Info {
        /// Name of the dataset
        dataset: String,
        /// All that is known of each column
        #[arg(long)]
        full: bool,
    },
    /// As `funnel run`
    Run {
        /// Name of the dataset
        dataset: String,
        #[command(flatten)]
        query: QueryArgs,
    },
    /// As `funnel validate`
    Validate {
        /// Name of the dataset
        dataset: String,
        #[command(flatten)]
        query: QueryArgs,
    },
    /// As `table drop`, without a question
    Unregister {
        /// Name of the dataset
        dataset: String,
        /// Also when it was used moments ago
        #[arg(long)]
        force: bool,
    },
    /// As `table runs`
    Runs {
        /// Name of the dataset; without it, the runs of all
        dataset: Option<String>,
        #[command(flatten)]
        page: Page,
    },
    /// As `job cancel`
    Cancel {
        /// Request id of a run, or id of a job
        id: String,
    },
    /// As `table repartition`
    Repartition(RepartitionArgs),
    /// As `config show`
    Config,
}

/// As `table register`
#[derive(Debug, Args)]
struct RocketRegisterArgs {
    /// Name of the dataset
    name: String,
    /// Folder or URL of the parts
    basepath: String,
    /// Column that tells groups apart
    group_id_column: String,
    /// Column that orders the rows of a group
    timestamp_column: String,
    /// Shell wildcard on the files' names
    #[arg(long)]
    pattern: Option<String>,
    /// Which parts are read for the check
    #[arg(long, ignore_case = true)]
    validation: Option<Validation>,
    /// Do not check that each group stands in one part
    #[arg(long)]
    skip_uniques: bool,
}

impl RocketVerb {
    /// The same in our own words.
    fn ours(self) -> Command {
        match self {
            Self::Register(args) => Command::Table(TableVerb::Register(args.ours())),
            Self::List(page) => Command::Table(TableVerb::List(page)),
            Self::Info { dataset, full } => Command::Table(TableVerb::Show {
                name: dataset,
                full,
                parts: false,
            }),
            Self::Run { dataset, query } => Command::Funnel(FunnelVerb::Run(RunArgs {
                table: dataset,
                query,
                group: None,
                time: None,
                export_groups: None,
                step: None,
                replace: false,
                no_cache: false,
                job: JobArgs::default(),
            })),
            Self::Validate { dataset, query } => Command::Funnel(FunnelVerb::Validate(ValidateArgs {
                table: Some(dataset),
                query,
                schema_only: false,
            })),
            Self::Unregister { dataset, force } => Command::Table(TableVerb::Drop {
                name: dataset,
                force,
                may_be_absent: true,
            }),
            Self::Runs { dataset, page } => Command::Table(TableVerb::Runs { name: dataset, page }),
            Self::Cancel { id } => Command::Job(JobVerb::Cancel {
                id: job_id(&id).to_owned(),
                reason: None,
            }),
            Self::Repartition(args) => Command::Table(TableVerb::Repartition(args)),
            Self::Config => Command::Config(ConfigVerb::Show {
                key: None,
                origin: false,
                default: false,
            }),
        }
    }
}

impl RocketRegisterArgs {
    fn ours(self) -> RegisterArgs {
        RegisterArgs {
            name: self.name,
            path: self.basepath,
            group: Some(self.group_id_column),
            time: Some(self.timestamp_column),
            pattern: self.pattern,
            recursive: false,
            groups: None,
            validation: self.validation,
            skip_uniques: self.skip_uniques,
            job: JobArgs::default(),
        }
    }
}

/// Of a request id, `1731000000-8c0f12ab`, the end of the job's id; of anything else itself.
fn job_id(text: &str) -> &str {
    match text.split_once('-') {
        Some((second, digits))
            if digits.len() == 8 && second.len() > 8 && second.bytes().all(|c| c.is_ascii_digit()) =>
        {
            digits
        }
        _ => text,
    }
}
