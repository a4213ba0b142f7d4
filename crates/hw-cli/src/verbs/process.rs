//! `headwater up` and `headwater worker`: processes that run until they are told to stop.

use futures::FutureExt as _;
use futures::future::BoxFuture;
use hw_api::{ExitCode, ServerDocument};

use crate::args::{UpArgs, WorkerArgs};
use crate::context::{Context, Ended};
use crate::program::{UpOptions, WorkerOptions};

pub(crate) async fn up(context: &mut Context, args: UpArgs) -> Ended {
    // The banner is told when the server runs, from inside of it: a channel brings it out to the console.
    let (sender, receiver) = tokio::sync::oneshot::channel::<ServerDocument>();
    let options = UpOptions {
        local: context.local.clone(),
        listen: args.listen,
        no_http: args.no_http,
        started: Box::new(move |document| {
            // Nobody listens any more when the process is already ending.
            let _ = sender.send(document.clone());
        }),
        shutdown: shutdown(context),
    };
    let program = std::sync::Arc::clone(&context.program);
    let serving = program.up(options);
    tokio::pin!(serving);
    tokio::select! {
        // In this order, so that a server which stops at once is announced all the same.
        biased;
        Ok(document) = receiver => announce(context, &document),
        ended = &mut serving => {
            ended?;
            return Ok(ExitCode::Done);
        }
    }
    serving.await?;
    context.console.note("stopped");
    Ok(ExitCode::Done)
}

fn announce(context: &mut Context, document: &ServerDocument) {
    let style = context.console.error_style;
    let rows = [
        (
            "api",
            document
                .http
                .clone()
                .map(|http| format!("{http}{}", hw_api::API_PREFIX)),
        ),
        ("metrics", document.metrics.clone()),
        ("socket", document.socket.clone()),
        ("data", Some(format!("{} ({})", document.data_dir, document.store))),
    ];
    context.console.note(format!(
        "{} {} is up (pid {})",
        style.strong("headwater"),
        document.version,
        document.pid
    ));
    for (name, value) in rows {
        if let Some(value) = value {
            context.console.note(format!("  {name:<8}{value}"));
        }
    }
    let options = &context.follow_up_options;
    let first = format!(
        "  {:<8}headwater{options} sql \"SELECT * FROM 'data/*.parquet' LIMIT 10\"",
        "try"
    );
    context.console.note(first);
    context.console.note("  Ctrl-C stops it");
}

pub(crate) async fn worker(context: &mut Context, args: WorkerArgs) -> Ended {
    let options = WorkerOptions {
        local: context.local.clone(),
        slots: args.slots,
        labels: args.labels,
        shutdown: shutdown(context),
    };
    context.program.worker(options).await?;
    Ok(ExitCode::Done)
}

fn shutdown(context: &Context) -> BoxFuture<'static, ()> {
    let interrupts = context.interrupts.clone();
    async move { interrupts.wait().await }.boxed()
}
