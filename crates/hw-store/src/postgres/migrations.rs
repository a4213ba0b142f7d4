//! Numbered SQL files that bring a store to the newest form: applied in order, in one transaction under an advisory lock,
//! recorded with a checksum, never edited.

use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, PgConnection};

use super::fault::fault;
use super::row::Reader;
use super::writer::Lock;
use crate::StoreError;

struct Migration {
    version: u64,
    name: &'static str,
    sql: &'static str,
}

const MIGRATIONS: &[Migration] = &[Migration {
    version: 1,
    name: "init",
    sql: include_str!("migrations/0001_init.sql"),
}];

/// The version that [`migrate`] brings a store to.
pub(super) const NEWEST: u64 = match MIGRATIONS.last() {
    Some(migration) => migration.version,
    None => 0,
};

/// Oldest server that is served, as it numbers itself.
const SERVER_MIN: i64 = 140_000;

/// Brings the schema to the newest form, or makes it. Nothing is written to a store that is refused, nor to one that is
/// new enough.
///
/// # Errors
/// [`StoreError::Newer`] for a version that this program does not know, [`StoreError::Corrupt`] if an applied migration is
/// not the one that this program knows, [`StoreError::Unsupported`] for a server that is too old.
pub(super) async fn migrate(connection: &mut PgConnection, schema: &str) -> Result<(), StoreError> {
    check_server(connection).await?;
    if check_applied(&applied(connection, schema).await?)? == NEWEST {
        return Ok(());
    }
    let lock = Lock::Migration.number(schema);
    run(
        connection,
        format!("BEGIN; SET LOCAL lock_timeout = 0; SELECT pg_advisory_xact_lock({lock})"),
    )
    .await?;
    // Another process may have been quicker: only what is seen under the lock counts.
    let migrated = migrate_locked(connection, schema).await;
    let end = if migrated.is_ok() { "COMMIT" } else { "ROLLBACK" };
    let ended = run(connection, end.to_owned()).await;
    migrated.and(ended)
}

async fn migrate_locked(connection: &mut PgConnection, schema: &str) -> Result<(), StoreError> {
    let found = check_applied(&applied(connection, schema).await?)?;
    if found == 0 {
        make_schema(connection, schema).await?;
    }
    for migration in MIGRATIONS.iter().filter(|migration| migration.version > found) {
        apply(connection, migration).await?;
    }
    Ok(())
}

async fn check_server(connection: &mut PgConnection) -> Result<(), StoreError> {
    let row = sqlx::query("SELECT current_setting('server_version_num')::bigint AS version")
        .fetch_one(connection)
        .await
        .map_err(|error| fault(&error))?;
    match Reader::new(&row, "the server").value::<i64>("version")? {
        version if version >= SERVER_MIN => Ok(()),
        _ => Err(StoreError::Unsupported {
            backend: "postgres",
            what: "servers older than version 14",
        }),
    }
}

/// The migrations that were applied, each with its checksum; none if there is no store.
async fn applied(connection: &mut PgConnection, schema: &str) -> Result<Vec<(u64, String)>, StoreError> {
    let there = sqlx::query(
        "SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                        WHERE n.nspname = $1 AND c.relname = 'migration') AS there",
    )
    .bind(schema.to_owned())
    .fetch_one(&mut *connection)
    .await
    .map_err(|error| fault(&error))?;
    if !Reader::new(&there, "the schema").truth("there")? {
        return Ok(Vec::new());
    }
    let rows = sqlx::query("SELECT version, checksum FROM migration ORDER BY version")
        .fetch_all(connection)
        .await
        .map_err(|error| fault(&error))?;
    rows.iter().map(read_applied).collect()
}

fn read_applied(row: &PgRow) -> Result<(u64, String), StoreError> {
    let row = Reader::new(row, "the list of migrations");
    Ok((row.number("version")?, row.text("checksum")?))
}

/// The version of a store with these migrations; zero for none.
fn check_applied(applied: &[(u64, String)]) -> Result<u64, StoreError> {
    let found = applied.last().map_or(0, |(version, _)| *version);
    if found > NEWEST {
        return Err(StoreError::Newer { found, known: NEWEST });
    }
    let known = MIGRATIONS.iter().filter(|migration| migration.version <= found);
    let known = known.map(|migration| (migration.version, checksum(migration.sql)));
    if known.eq(applied.iter().cloned()) {
        return Ok(found);
    }
    Err(StoreError::Corrupt(
        "its migrations are not those of any released program".to_owned(),
    ))
}

/// The schema may be there already, made by somebody with more rights; then it must hold nothing else.
async fn make_schema(connection: &mut PgConnection, schema: &str) -> Result<(), StoreError> {
    let look = "SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = $1) AS there,
                       EXISTS (SELECT 1 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                               WHERE n.nspname = $1) AS used";
    let row = sqlx::query(look)
        .bind(schema.to_owned())
        .fetch_one(&mut *connection)
        .await
        .map_err(|error| fault(&error))?;
    let row = Reader::new(&row, "the schema");
    if row.truth("used")? {
        let text = format!("the schema `{schema}` belongs to something else; name another one with `?schema=NAME`");
        return Err(StoreError::Corrupt(text));
    }
    if row.truth("there")? {
        return Ok(());
    }
    run(connection, format!("CREATE SCHEMA \"{schema}\"")).await
}

async fn apply(connection: &mut PgConnection, migration: &Migration) -> Result<(), StoreError> {
    let record = "CREATE TABLE IF NOT EXISTS migration (
                      version    bigint PRIMARY KEY,
                      name       text   NOT NULL,
                      checksum   text   NOT NULL,
                      applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
                  )";
    run(connection, migration.sql.to_owned()).await?;
    run(connection, record.to_owned()).await?;
    sqlx::query("INSERT INTO migration (version, name, checksum) VALUES ($1, $2, $3)")
        .bind(i64::try_from(migration.version).unwrap_or(i64::MAX))
        .bind(migration.name)
        .bind(checksum(migration.sql))
        .execute(connection)
        .await
        .map_err(|error| fault(&error))?;
    Ok(())
}

async fn run(connection: &mut PgConnection, text: String) -> Result<(), StoreError> {
    let done = sqlx::raw_sql(AssertSqlSafe(text)).execute(connection).await;
    done.map(|_| ()).map_err(|error| fault(&error))
}

/// FNV-1a over the text: tells an edited file, which is all that it is for.
fn checksum(sql: &str) -> String {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    format!("{:016x}", sql.bytes().fold(0xcbf2_9ce4_8422_2325, step))
}
