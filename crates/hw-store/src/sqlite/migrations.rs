//! Numbered SQL files that bring a store to the newest form: applied in order under the write lock, recorded with a
//! checksum, never edited.

use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use super::fault::fault;
use super::row::Reader;
use crate::StoreError;

/// Marks a file as a store of ours: `HWST`.
const APPLICATION_ID: i64 = 0x4857_5354;

struct Migration {
    version: u64,
    name: &'static str,
    sql: &'static str,
}

const MIGRATIONS: &[Migration] = &[
    Migration {
        version: 1,
        name: "init",
        sql: include_str!("migrations/0001_init.sql"),
    },
    Migration {
        version: 2,
        name: "work",
        sql: include_str!("migrations/0002_work.sql"),
    },
    Migration {
        version: 3,
        name: "listeners",
        sql: include_str!("migrations/0003_listeners.sql"),
    },
];

/// The version that [`migrate`] brings a store to.
pub(super) const NEWEST: u64 = match MIGRATIONS.last() {
    Some(migration) => migration.version,
    None => 0,
};

/// The version of the store behind a connection; zero for an empty file. Writes nothing.
///
/// # Errors
/// [`StoreError::Newer`] for a version that this program does not know, [`StoreError::Corrupt`] for a file that is no
/// store.
pub(super) async fn check_version(connection: &mut SqliteConnection) -> Result<u64, StoreError> {
    let row = sqlx::query(
        "SELECT (SELECT application_id FROM pragma_application_id) AS application,
                (SELECT user_version FROM pragma_user_version) AS version,
                (SELECT count(*) FROM sqlite_schema) AS objects",
    )
    .fetch_one(connection)
    .await
    .map_err(|error| fault(&error))?;
    judge_version(&row)
}

fn judge_version(row: &SqliteRow) -> Result<u64, StoreError> {
    let row = Reader::new(row, "the head of the file");
    let application: i64 = row.value("application")?;
    let found: u64 = row.number("version")?;
    let objects: i64 = row.value("objects")?;
    if application == APPLICATION_ID {
        return match found {
            found if found > NEWEST => Err(StoreError::Newer { found, known: NEWEST }),
            found => Ok(found),
        };
    }
    if application == 0 && found == 0 && objects == 0 {
        return Ok(0);
    }
    Err(StoreError::Corrupt("this is a database of another program".to_owned()))
}

/// Applies what is missing. The connection holds the write lock; `at` is the wall's time, for the record.
///
/// # Errors
/// As [`check_version`]; also [`StoreError::Corrupt`] if an applied migration is not the one that this program knows.
pub(super) async fn migrate(connection: &mut SqliteConnection, at: i64) -> Result<(), StoreError> {
    let found = check_version(connection).await?;
    check_applied(connection, found).await?;
    for migration in MIGRATIONS.iter().filter(|migration| migration.version > found) {
        apply(connection, migration, at).await?;
    }
    Ok(())
}

async fn check_applied(connection: &mut SqliteConnection, found: u64) -> Result<(), StoreError> {
    if found == 0 {
        return Ok(());
    }
    let rows = sqlx::query("SELECT version, checksum FROM migration ORDER BY version")
        .fetch_all(connection)
        .await
        .map_err(|error| fault(&error))?;
    let mut applied = Vec::new();
    for row in &rows {
        let row = Reader::new(row, "the list of migrations");
        applied.push((row.number::<u64>("version")?, row.text("checksum")?));
    }
    let known = MIGRATIONS.iter().filter(|migration| migration.version <= found);
    let known: Vec<_> = known
        .map(|migration| (migration.version, checksum(migration.sql)))
        .collect();
    if applied == known {
        return Ok(());
    }
    Err(StoreError::Corrupt(
        "its migrations are not those of any released program".to_owned(),
    ))
}

async fn apply(connection: &mut SqliteConnection, migration: &Migration, at: i64) -> Result<(), StoreError> {
    let version = migration.version;
    let marks = format!("PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {version}");
    let record = "CREATE TABLE IF NOT EXISTS migration (
                      version    INTEGER PRIMARY KEY,
                      name       TEXT    NOT NULL,
                      checksum   TEXT    NOT NULL,
                      applied_at INTEGER NOT NULL
                  ) STRICT";
    for text in [migration.sql, record] {
        run(connection, sqlx::raw_sql(text)).await?;
    }
    run(connection, sqlx::raw_sql(sqlx::AssertSqlSafe(marks))).await?;
    sqlx::query("INSERT INTO migration (version, name, checksum, applied_at) VALUES (?1, ?2, ?3, ?4)")
        .bind(i64::try_from(version).unwrap_or(i64::MAX))
        .bind(migration.name)
        .bind(checksum(migration.sql))
        .bind(at)
        .execute(connection)
        .await
        .map_err(|error| fault(&error))?;
    Ok(())
}

async fn run(connection: &mut SqliteConnection, sql: sqlx::RawSql) -> Result<(), StoreError> {
    sql.execute(connection).await.map_err(|error| fault(&error))?;
    Ok(())
}

/// FNV-1a over the text: tells an edited file, which is all that it is for.
fn checksum(sql: &str) -> String {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    format!("{:016x}", sql.bytes().fold(0xcbf2_9ce4_8422_2325, step))
}
