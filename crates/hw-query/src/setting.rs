//! SET and RESET: the few options that a client may change for its session.

use std::sync::{Mutex, PoisonError};

use datafusion::common::DataFusionError;
use datafusion::config::ConfigField;
use datafusion::logical_expr::{LogicalPlan, Statement};
use datafusion::prelude::SessionConfig;
use hw_catalog::closest;

use crate::error::{QueryError, StatementFault, StatementFaultKind, lower_first};

/// Options that touch neither files nor limits nor other sessions.
const ALLOWED: &[&str] = &[
    "datafusion.execution.batch_size",
    "datafusion.execution.target_partitions",
    "datafusion.execution.time_zone",
    "datafusion.explain.analyze_level",
    "datafusion.explain.format",
    "datafusion.explain.logical_plan_only",
    "datafusion.explain.physical_plan_only",
    "datafusion.explain.show_schema",
    "datafusion.explain.show_sizes",
    "datafusion.explain.show_statistics",
    "datafusion.explain.tree_maximum_render_width",
    "datafusion.optimizer.prefer_hash_join",
    "datafusion.optimizer.repartition_aggregations",
    "datafusion.optimizer.repartition_joins",
    "datafusion.optimizer.repartition_sorts",
    "datafusion.optimizer.repartition_windows",
    "datafusion.sql_parser.default_null_ordering",
    "datafusion.sql_parser.parse_float_as_decimal",
];

/// Rows of a batch that a session may ask for.
const BATCH_SIZE_MAX: usize = 65_536;

/// Carries out a SET or RESET.
///
/// # Errors
/// [`QueryError::Statement`] for options that do not exist, are not for clients, or do not take the value.
pub(crate) fn apply(plan: &LogicalPlan, options: &Mutex<SessionConfig>, threads: usize) -> Result<(), QueryError> {
    let mut config = options.lock().unwrap_or_else(PoisonError::into_inner);
    let mut changed = config.clone();
    match plan {
        LogicalPlan::Statement(Statement::SetVariable(set)) => {
            check_name(&set.variable)?;
            changed
                .options_mut()
                .set(&set.variable, &set.value)
                .map_err(|error| bad_value(&set.variable, &error))?;
        }
        LogicalPlan::Statement(Statement::ResetVariable(reset)) => {
            check_name(&reset.variable)?;
            changed
                .options_mut()
                .reset(&reset.variable)
                .map_err(|error| bad_value(&reset.variable, &error))?;
        }
        _ => return Err(fault("only SET and RESET change options".to_owned()).into()),
    }
    check_sizes(&changed, threads)?;
    *config = changed;
    Ok(())
}

fn fault(message: String) -> StatementFault {
    StatementFault::new(StatementFaultKind::Setting, message)
}

fn check_name(name: &str) -> Result<(), QueryError> {
    if ALLOWED.contains(&name) {
        return Ok(());
    }
    let help = match closest(name, ALLOWED.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("a session may set {}", ALLOWED.join(", ")),
    };
    Err(fault(format!("`{name}` is no option that a session may set"))
        .help(help)
        .into())
}

fn check_sizes(config: &SessionConfig, threads: usize) -> Result<(), QueryError> {
    if !(1..=BATCH_SIZE_MAX).contains(&config.batch_size()) {
        return Err(fault(format!(
            "`datafusion.execution.batch_size` goes from 1 to {BATCH_SIZE_MAX}"
        ))
        .into());
    }
    if !(1..=threads).contains(&config.target_partitions()) {
        return Err(fault(format!(
            "`datafusion.execution.target_partitions` goes from 1 to {threads} here"
        ))
        .into());
    }
    Ok(())
}

fn bad_value(name: &str, error: &DataFusionError) -> QueryError {
    let text = match error.find_root() {
        DataFusionError::Configuration(words) => words.clone(),
        other => other.strip_backtrace(),
    };
    let words = text.lines().next().unwrap_or_default();
    let words = words.rsplit_once("External error: ").map_or(words, |(_, inner)| inner);
    fault(format!("`{name}` does not take this value: {}", lower_first(words))).into()
}
