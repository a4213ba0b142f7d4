//! The loop itself, with a runtime.

use std::sync::Arc;
use std::time::Duration;

use hw_job::JobState;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::setting::{Setting, ask};
use crate::WaitError;

#[tokio::test]
async fn the_loop_steps_by_itself_until_it_is_stopped() {
    let setting = tokio::task::spawn_blocking(Setting::new).await.unwrap();
    let setting = Arc::new(setting);
    let opened = setting.clone();
    let controller = tokio::task::spawn_blocking(move || opened.one_shot("s")).await.unwrap();
    let controller = Arc::new(controller);
    let stop = CancellationToken::new();
    let running = tokio::spawn(controller.clone().run(stop.clone()));

    let job = controller.submit(ask("asked", json!({}))).await.unwrap().job();
    let record = controller.settled(job, Duration::from_secs(20)).await.unwrap();
    assert_eq!(record.state, JobState::Succeeded);

    let slow = controller
        .submit(ask("asked", json!({ "stages": [[{}]] })))
        .await
        .unwrap()
        .job();
    let record = controller.settled(slow, Duration::ZERO).await.unwrap();
    assert_eq!(record.state, JobState::Queued);
    controller.cancel(slow, "enough").await.unwrap();
    let record = controller.settled(slow, Duration::from_secs(20)).await.unwrap();
    assert_eq!(record.state, JobState::Cancelled);

    let unknown = hw_job::JobId::new(0, [0; 10]);
    let missing = controller.settled(unknown, Duration::from_secs(20)).await;
    assert_eq!(missing.unwrap_err(), WaitError::NotFound(unknown));
    stop.cancel();
    running.await.unwrap();
}
