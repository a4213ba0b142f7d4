//! Requests that are sent again under their idempotency key.
//!
//! A client that never saw the answer asks again, perhaps much later: the table that its job dropped is gone, the deadline
//! that it named has passed. What was found good when the job was made is not judged anew; the key alone tells.

use hw_store::IdempotencyKey;
use serde_json::{Map, Value, json};

use super::{Submit, SubmitFault, Submitted};
use crate::controller::Controller;

impl Controller {
    /// The job that was made for this request before; `None` if the key is not known.
    ///
    /// # Errors
    /// [`SubmitFault::KeyConflict`] if the key was used for another request; [`SubmitFault::Store`].
    pub async fn repeated(&self, kind: &str, params: &Value, key: &str) -> Result<Option<Submitted>, SubmitFault> {
        let Some((job, request)) = self.store().find_key(key).await? else {
            return Ok(None);
        };
        if request == request_text(kind, params) {
            return Ok(Some(Submitted::Existing(job)));
        }
        let key = key.to_owned();
        Err(SubmitFault::KeyConflict { key, job })
    }

    /// What stands against a request, unless it is only sent again.
    pub(super) async fn repeated_or(&self, submit: &Submit, fault: SubmitFault) -> Result<Submitted, SubmitFault> {
        let Some(key) = &submit.idempotency_key else {
            return Err(fault);
        };
        let known = self.repeated(&submit.kind, &submit.params, key).await?;
        known.ok_or(fault)
    }
}

/// The key as the store keeps it.
pub(super) fn key_of(submit: &Submit) -> Option<IdempotencyKey> {
    let key = submit.idempotency_key.clone()?;
    let request = request_text(&submit.kind, &submit.params);
    Some(IdempotencyKey { key, request })
}

/// The same text for the same kind and parameters, in whatever order their members are written.
fn request_text(kind: &str, params: &Value) -> String {
    json!({"kind": kind, "params": sorted(params)}).to_string()
}

fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let mut names: Vec<&String> = members.keys().collect();
            names.sort_unstable();
            let members = names
                .into_iter()
                .filter_map(|name| Some((name.clone(), sorted(members.get(name)?))));
            Value::Object(members.collect::<Map<_, _>>())
        }
        Value::Array(items) => Value::Array(items.iter().map(sorted).collect()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}
