//! The body of a request for a job: what a client wishes of it, every fault at its place.

use std::time::Duration;

use hw_api::JobRequest;
use hw_catalog::Finding;
use hw_controller::{Submit, SubmitFault};
use hw_job::JobId;

use super::may_reuse;
use super::moments::{Instants, Moment};
use crate::config::parse_duration;
use crate::problem::{ApiError, Fault};
use crate::state::Shared;

const TAGS_MAX: usize = 32;
const TAG_BYTES_MAX: usize = 255;
const PRIORITY: i32 = 100;

/// The request as the controller takes it.
///
/// # Errors
/// HW-A002 with every fault of the members, those of the kind's parameters among them.
pub(super) async fn read(state: &Shared, request: JobRequest) -> Result<Submit, Fault> {
    let mut faults = Faults::default();
    let timeout = faults.timeout(request.timeout.as_deref());
    let parent = faults.parent(request.parent.as_deref());
    if let Some(parent) = parent
        && state.store().load_job(parent).await?.is_none()
    {
        let help = "give the whole id of a job that is there, or leave it out";
        faults.add("parent", format!("there is no job `{parent}`"), help);
    }
    faults.tags(&request.tags);
    let not_before = faults.moment("not_before", request.not_before.as_deref());
    let deadline = faults.moment("deadline", request.deadline.as_deref());
    let now = state.parts().clock.wall();
    let (instants, findings) = Instants::new(not_before, deadline, now, |fault| {
        finding(fault.name, fault.message, fault.help)
    });
    faults.0.extend(findings);
    let submit = Submit {
        priority: request.priority.unwrap_or(PRIORITY),
        timeout,
        not_before: instants.not_before,
        deadline: instants.deadline,
        tags: request.tags,
        parent,
        reuse: may_reuse(state, &request.kind, &request.params),
        ..Submit::new(request.kind, request.params)
    };
    match faults.0.is_empty() {
        true => Ok(submit),
        false => Err(faults.with_those_of_the_kind(state, &submit).await),
    }
}

/// What is wrong with the labels of a job, and what to do about it.
pub(super) fn fault_of_tags(tags: &[String]) -> Option<(String, &'static str)> {
    let fits = |tag: &String| (1..=TAG_BYTES_MAX).contains(&tag.len());
    let good = tags.len() <= TAGS_MAX && tags.iter().all(fits);
    (!good).then(|| {
        let message = format!("`tags` holds at most {TAGS_MAX} texts of 1 to {TAG_BYTES_MAX} bytes");
        (message, "give fewer or shorter tags")
    })
}

/// What is wrong with the members.
#[derive(Default)]
struct Faults(Vec<Finding>);

fn finding(member: &str, message: String, help: &str) -> Finding {
    Finding::new("HW-A002", message).at(format!("/{member}")).help(help)
}

impl Faults {
    fn add(&mut self, member: &str, message: String, help: &str) {
        self.0.push(finding(member, message, help));
    }

    fn timeout(&mut self, text: Option<&str>) -> Option<Duration> {
        match parse_duration(text?) {
            Ok(timeout) => Some(timeout).filter(|timeout| !timeout.is_zero()),
            Err(fault) => {
                self.add("timeout", format!("`timeout` {fault}"), "write for instance \"60s\"");
                None
            }
        }
    }

    fn parent(&mut self, text: Option<&str>) -> Option<JobId> {
        match text?.parse() {
            Ok(parent) => Some(parent),
            Err(error) => {
                let error: hw_job::InvalidId = error;
                self.add("parent", error.to_string(), "give the whole id of a job");
                None
            }
        }
    }

    fn tags(&mut self, tags: &[String]) {
        if let Some((message, help)) = fault_of_tags(tags) {
            self.add("tags", message, help);
        }
    }

    fn moment(&mut self, member: &str, text: Option<&str>) -> Option<Moment> {
        let text = text?;
        match Moment::parse(text) {
            Ok(moment) => Some(moment),
            Err(fault) => {
                self.add(member, format!("`{member}` {fault}, found `{text}`"), fault.help());
                None
            }
        }
    }

    /// The parameters are looked at nevertheless, so that everything can be mended at once.
    async fn with_those_of_the_kind(mut self, state: &Shared, submit: &Submit) -> Fault {
        match state.controller().check(submit).await {
            Err(SubmitFault::Faults(more)) => self.0.extend(more),
            Err(unknown @ (SubmitFault::UnknownKind { .. } | SubmitFault::TableNotFound { .. })) => {
                let problem = Fault::from(unknown).into_problem();
                let finding = Finding::new(problem.code, problem.detail);
                self.0.push(match problem.help {
                    Some(help) => finding.help(help),
                    None => finding,
                });
            }
            Ok(())
            | Err(
                SubmitFault::Conflict(_)
                | SubmitFault::KeyConflict { .. }
                | SubmitFault::QueueFull { .. }
                | SubmitFault::Store(_),
            ) => {}
        }
        ApiError::Members { findings: self.0 }.into()
    }
}
