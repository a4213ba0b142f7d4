//! Making the result: seen while it lasts, taken up again where it broke off.

use std::sync::{Arc, Mutex};

use hw_catalog::{Finding, TableName};
use hw_job::{Failure, JobKind, JobState, JobView, Lifetime, Merged, PrepareError, PrepareRequest, Prepared};
use hw_store::Store;
use serde_json::{Value, json};

use super::setting::{Setting, made, now, step};

/// Looks at its own job while it makes the result.
pub(super) struct Watching {
    store: Arc<dyn Store>,
    seen: Mutex<Vec<JobState>>,
}

impl JobKind for Watching {
    fn name(&self) -> &'static str {
        "watching"
    }

    fn lifetime(&self) -> Lifetime {
        Lifetime::Durable
    }

    fn reads(&self, _params: &Value) -> Result<Vec<TableName>, Vec<Finding>> {
        Ok(Vec::new())
    }

    fn prepare(&self, request: &PrepareRequest<'_>) -> Result<Prepared, PrepareError> {
        Ok(Prepared {
            expanded: request.params.clone(),
            tasks: Vec::new(),
            fingerprint: None,
            warnings: Vec::new(),
        })
    }

    fn merge(&self, job: &JobView<'_>) -> Result<Merged, Failure> {
        let record = now(self.store.load_job(job.id)).unwrap().unwrap();
        self.seen.lock().unwrap().push(record.state);
        Ok(Merged {
            result: json!({}),
            partial: false,
            changes: Vec::new(),
            files: Vec::new(),
        })
    }
}

#[test]
fn a_job_is_finishing_while_its_result_is_made() {
    let setting = Setting::new();
    let kind = Arc::new(Watching {
        store: setting.store.clone(),
        seen: Mutex::default(),
    });
    let controller = setting.of_kinds("s", vec![kind.clone()]);
    let job = made(&controller, "watching", json!({}));
    step(&controller);
    assert_eq!(*kind.seen.lock().unwrap(), [JobState::Finishing]);
    assert_eq!(setting.job(job).state, JobState::Succeeded);
}

#[test]
fn a_merge_that_broke_off_is_taken_up_again() {
    let setting = Setting::new();
    let gone = setting.one_shot("gone");
    let job = made(&gone, "kept", json!({ "stages": [[{}]], "puts": ["t"] }));
    setting.claim("gone").iter().for_each(|task| setting.succeed(task));
    now(setting.store.finish_job(job)).unwrap();
    setting.kill("gone");
    assert_eq!(setting.job(job).state, JobState::Finishing);
    let controller = setting.server("s");
    step(&controller);
    step(&controller);
    assert_eq!(
        (setting.job(job).state, setting.tables().as_str()),
        (JobState::Succeeded, "t@1")
    );
}
