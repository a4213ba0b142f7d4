//! Opening a store: where it is, in which form, and which connections it gets.

use std::str::FromStr as _;
use std::sync::Arc;

use hw_job::EventSeq;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions as _, Connection as _, PgConnection, PgPool};
use tokio::sync::watch as channel;

use super::clock::{StoreClock, Tick};
use super::fault::{Kind, fault, kind};
use super::listen::Ear;
use super::migrations::migrate;
use super::row::Reader;
use super::writer::{Locks, Patience, Writer, WriterSettings, connect};
use super::{PostgresOptions, PostgresStore};
use crate::StoreError;
use crate::limits::{ANSWER_MAX, IDLE_IN_TRANSACTION_MAX, RECEIPT_KEPT};

/// Schema of a store whose address names none.
const SCHEMA: &str = "headwater";
/// Longest name of a schema that leaves room for the channel's.
const SCHEMA_BYTES_MAX: usize = 48;
/// Statements that each connection keeps prepared.
const STATEMENTS_KEPT: usize = 200;
/// After so long without a word, the server asks whether the host of a connection is still there.
const KEEPALIVE_SECONDS: u32 = 10;

/// Where a store is.
#[derive(Clone)]
pub(super) struct Address {
    connect: PgConnectOptions,
    pub(super) schema: String,
    /// For people: without the password.
    pub(super) shown: String,
}

impl Address {
    /// Reads `postgres://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=...&schema=...`.
    pub(super) fn parse(url: &str) -> Result<Self, StoreError> {
        let (url, schema) = split_schema(url);
        let schema = schema.unwrap_or_else(|| SCHEMA.to_owned());
        check_schema(&schema)?;
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            return Err(StoreError::Misuse(
                "the address of a Postgres store begins with `postgres://`".to_owned(),
            ));
        }
        // Nothing of the text in the error: the part that cannot be read may be the password.
        let connect = PgConnectOptions::from_str(&url).map_err(|_| {
            StoreError::Misuse(
                "the address of the store cannot be read: write `postgres://USER:PASSWORD@HOST:PORT/DATABASE`, with \
                 special characters of the password as `%XX`"
                    .to_owned(),
            )
        })?;
        let (user, database) = (connect.get_username(), connect.get_database());
        let host = match connect.get_socket() {
            Some(socket) => socket.display().to_string(),
            None => connect.get_host().to_owned(),
        };
        let database = database.unwrap_or(user);
        let shown = format!(
            "postgres://{user}@{host}:{}/{database}?schema={schema}",
            connect.get_port()
        );
        Ok(Self { connect, schema, shown })
    }

    /// How all connections are made.
    fn options(&self, options: &PostgresOptions) -> PgConnectOptions {
        let millis = |duration: std::time::Duration| duration.as_millis().to_string();
        self.connect
            .clone()
            .application_name("headwater")
            .statement_cache_capacity(STATEMENTS_KEPT)
            .disable_statement_logging()
            .options([
                ("search_path", self.schema.clone()),
                ("lock_timeout", millis(options.busy_timeout)),
                ("statement_timeout", millis(ANSWER_MAX)),
                ("idle_in_transaction_session_timeout", millis(IDLE_IN_TRANSACTION_MAX)),
                ("tcp_keepalives_idle", KEEPALIVE_SECONDS.to_string()),
                ("tcp_keepalives_interval", KEEPALIVE_SECONDS.to_string()),
                ("default_transaction_isolation", "read committed".to_owned()),
                ("synchronous_commit", "on".to_owned()),
                // Statements are short: making code for them takes longer than they do.
                ("jit", "off".to_owned()),
            ])
    }
}

/// Takes `schema=NAME` out of the address: the driver does not know it.
fn split_schema(url: &str) -> (String, Option<String>) {
    let Some((base, query)) = url.split_once('?') else {
        return (url.to_owned(), None);
    };
    let (mut rest, mut schema) = (Vec::new(), None);
    for pair in query.split('&') {
        match pair.strip_prefix("schema=") {
            Some(name) => schema = Some(name.to_owned()),
            None => rest.push(pair),
        }
    }
    let rest = rest.join("&");
    match rest.is_empty() {
        true => (base.to_owned(), schema),
        false => (format!("{base}?{rest}"), schema),
    }
}

fn check_schema(schema: &str) -> Result<(), StoreError> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let begins = schema.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
    if begins && schema.len() <= SCHEMA_BYTES_MAX && schema.chars().all(fits) && !schema.starts_with("pg_") {
        return Ok(());
    }
    Err(StoreError::Misuse(format!(
        "`{}` cannot be the schema of a store: it has 1 to {SCHEMA_BYTES_MAX} small letters, digits and underscores, and \
         begins with a letter",
        schema.escape_debug()
    )))
}

pub(super) async fn open(address: Address, options: PostgresOptions) -> Result<PostgresStore, StoreError> {
    let connect_options = address.options(&options);
    let clock = StoreClock::new(options.source.clone());
    let mut patience = Patience::of(options.busy_timeout);
    let (connection, last, name) = loop {
        match prepare(&connect_options, &address.schema, &clock).await {
            Ok(prepared) => break prepared,
            Err(Trial::Again(_)) if patience.wait().await => {}
            Err(Trial::Again(fault) | Trial::Refused(fault)) => return Err(naming(&address.shown, fault)),
        }
    };
    let wakes = channel::Sender::new(last);
    let locks = Arc::new(Locks::of(&address.schema));
    let settings = WriterSettings {
        connect: connect_options.clone(),
        locks: locks.clone(),
        clock: clock.clone(),
        name,
        patience: options.busy_timeout,
        group_commit_max: options.group_commit_max.max(1),
        wakes: wakes.clone(),
    };
    let ear = Ear {
        connect: connect_options.clone(),
        channel: format!("headwater.{}", address.schema),
        clock: clock.clone(),
        pause: options.poll,
        wakes: wakes.clone(),
    };
    Ok(PostgresStore {
        shown: address.shown,
        clock,
        unfinished_jobs_max: options.unfinished_jobs_max,
        busy_timeout: options.busy_timeout,
        writer: Writer::start(settings, connection),
        pool: pool(connect_options, &options),
        locks,
        listening: ear.start(),
        wakes,
    })
}

/// The fault, with the address that it is about.
fn naming(shown: &str, error: StoreError) -> StoreError {
    let named = |text: String| format!("`{shown}`: {text}");
    match error {
        StoreError::Unreachable(text) => StoreError::Unreachable(named(text)),
        StoreError::Corrupt(text) => StoreError::Corrupt(named(text)),
        StoreError::Full(text) => StoreError::Full(named(text)),
        StoreError::Busy(text) => StoreError::Busy(named(text)),
        other => other,
    }
}

/// Why a store could not be opened.
enum Trial {
    /// The server may be about to come.
    Again(StoreError),
    Refused(StoreError),
}

impl From<StoreError> for Trial {
    fn from(fault: StoreError) -> Self {
        Self::Refused(fault)
    }
}

impl Trial {
    fn of(error: &sqlx::Error) -> Self {
        match kind(error) {
            Kind::Final => Self::Refused(fault(error)),
            Kind::Lost | Kind::Conflict => Self::Again(fault(error)),
        }
    }
}

/// A connection to the store in its newest form, the number of its newest event, and a name that no other writer has.
async fn prepare(
    options: &PgConnectOptions,
    schema: &str,
    clock: &StoreClock,
) -> Result<(PgConnection, EventSeq, String), Trial> {
    let mut connection = connect(options).await.map_err(|error| Trial::of(&error))?;
    if let Err(fault) = migrate(&mut connection, schema).await {
        // A migration is made as a whole or not at all: if only the connection broke, it is begun anew.
        let alive = connection.ping().await.is_ok();
        return Err(if alive {
            Trial::Refused(fault)
        } else {
            Trial::Again(fault)
        });
    }
    let row = sqlx::query(super::clock::select_tick!())
        .fetch_one(&mut connection)
        .await;
    let tick = Tick::read(&row.map_err(|error| Trial::of(&error))?)?;
    let now = clock.settle(&tick);
    let tidy = sqlx::query("WITH old AS (DELETE FROM receipt WHERE at < $1) SELECT gen_random_uuid()::text AS name")
        .bind(now.wall.0.saturating_sub(super::clock::micros(RECEIPT_KEPT)));
    let row = tidy
        .fetch_one(&mut connection)
        .await
        .map_err(|error| Trial::of(&error))?;
    let name = Reader::new(&row, "a writer").text("name")?;
    Ok((connection, EventSeq(tick.last), name))
}

fn pool(connect: PgConnectOptions, options: &PostgresOptions) -> PgPool {
    PgPoolOptions::new()
        .max_connections(options.connections.max(1))
        .acquire_timeout(options.busy_timeout)
        .test_before_acquire(false)
        .connect_lazy_with(connect)
}
