//! Views that read a table stand against dropping it.

use hw_catalog::TableName;
use hw_controller::{Submit, SubmitFault};
use hw_job::{ErrorClass, Failure};

use crate::problem::Fault;
use crate::state::State as Server;

/// Views that are named.
const NAMED_MAX: usize = 10;

/// Refuses to drop what views read, unless it is forced: they would not work any more. Other requests pass, and so does what
/// the kind of the job refuses itself.
///
/// Nothing is held meanwhile: a view that is made at the same time may find its table gone, and says so when it is read.
pub(super) async fn check_drop(state: &Server, submit: &Submit) -> Result<(), Fault> {
    let forced = submit.params.get("force").is_some_and(|force| force == true);
    let name = submit
        .params
        .get("table")
        .and_then(|table| table.as_str()?.parse::<TableName>().ok());
    let Some(name) = name.filter(|_| submit.kind == "drop" && !forced) else {
        return Ok(());
    };
    let tables = state.store().list_tables().await?;
    if !tables.iter().any(|table| table.name == name) {
        return Ok(());
    }
    let reads = |view: &hw_catalog::View| view.reads.contains(&name);
    let readers = tables.iter().filter(|table| table.view.as_deref().is_some_and(reads));
    let readers: Vec<String> = readers.map(|table| format!("`{}`", table.name)).collect();
    match readers.is_empty() {
        true => Ok(()),
        false => Err(conflict(read_by(&name, &readers))),
    }
}

fn read_by(name: &TableName, readers: &[String]) -> Failure {
    let named = readers.iter().take(NAMED_MAX).cloned().collect::<Vec<_>>().join(", ");
    let views = match readers.len() {
        1 => format!("the view {named}"),
        count if count > NAMED_MAX => format!("the views {named} and {} more", count - NAMED_MAX),
        _ => format!("the views {named}"),
    };
    let message = format!("`{name}` is read by {views}");
    Failure::new(ErrorClass::Input, "HW-T057", message)
        .help("drop the views first, or drop it nevertheless with `headwater table drop NAME --force`")
}

/// Something stands against a request as the catalog is now.
pub(in crate::routes) fn conflict(failure: Failure) -> Fault {
    SubmitFault::Conflict(failure).into()
}
