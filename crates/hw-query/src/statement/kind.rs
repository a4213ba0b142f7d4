//! Which statements are queries, and what to say of the others.

use datafusion::sql::parser::Statement as Parsed;
use datafusion::sql::sqlparser::ast::{DescribeAlias, ShowCreateObject, Statement as Ast};

/// What a checked statement asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StatementKind {
    /// SELECT, WITH, VALUES.
    Query,
    /// EXPLAIN of a query.
    Explain,
    /// SHOW and DESCRIBE: answered from the catalog.
    Catalog,
    /// SET and RESET of a session option.
    Setting,
}

/// Why a statement is not carried out: what it is called, and what to do instead.
pub(super) struct Refusal {
    pub(super) statement: String,
    pub(super) help: &'static str,
}

const HELP_WRITE: &str = "SQL writes no rows yet; make a table of files with `headwater table register NAME PATH`";
const HELP_VIEW: &str =
    "write CREATE [OR REPLACE] VIEW name AS SELECT ..., or DROP VIEW name, as a statement of its own";
const HELP_DROP: &str = "drop a table with `headwater table drop NAME`, a view with DROP VIEW";
const HELP_COPY: &str = "write the answer to a file with the client: `headwater sql \"...\" --format csv > FILE`";
const HELP_EXTERNAL: &str = "name the file in the query, `SELECT * FROM 'data/*.parquet'`, or register it: `headwater table register NAME PATH`";
const HELP_TRANSACTION: &str =
    "leave it away: each statement reads one version of each table by itself, and SQL does not write";
const HELP_PREPARE: &str = "send the values with the statement: write `$1` and give `params`";
const HELP_USE: &str = "write the schema before the table: `schema.table`";
const HELP_SHOW: &str = "ask `information_schema`, for instance `SELECT * FROM information_schema.tables`";
const HELP_OTHER: &str = "write SELECT, WITH, VALUES, EXPLAIN, SHOW, DESCRIBE, SET, CREATE VIEW or DROP VIEW";

/// The kind of a statement on the outermost level. Everything that is not known to be harmless is refused, statements
/// that a later parser may bring too.
pub(super) fn kind_of(parsed: &Parsed) -> Result<StatementKind, Refusal> {
    match parsed {
        Parsed::Statement(ast) => kind_of_ast(ast),
        Parsed::Explain(explain) => match kind_of(&explain.statement)? {
            StatementKind::Query => Ok(StatementKind::Explain),
            StatementKind::Explain | StatementKind::Catalog | StatementKind::Setting => Err(Refusal {
                statement: "EXPLAIN of anything but a query".to_owned(),
                help: "explain a SELECT",
            }),
        },
        Parsed::Reset(_) => Ok(StatementKind::Setting),
        Parsed::CreateExternalTable(_) => Err(refused("CREATE EXTERNAL TABLE", HELP_EXTERNAL)),
        Parsed::CopyTo(_) => Err(refused("COPY", HELP_COPY)),
    }
}

/// The kind of a statement of the parser's own, on any level: WITH may hold an INSERT.
pub(super) fn kind_of_ast(ast: &Ast) -> Result<StatementKind, Refusal> {
    match ast {
        Ast::Query(_) => Ok(StatementKind::Query),
        Ast::ExplainTable { .. }
        | Ast::Explain {
            describe_alias: DescribeAlias::Describe | DescribeAlias::Desc,
            ..
        }
        | Ast::ShowTables { .. }
        | Ast::ShowColumns { .. }
        | Ast::ShowVariable { .. }
        | Ast::ShowFunctions { .. }
        | Ast::ShowCreate {
            obj_type: ShowCreateObject::Table | ShowCreateObject::View,
            ..
        } => Ok(StatementKind::Catalog),
        Ast::Set(_) => Ok(StatementKind::Setting),
        other => Err(refused_ast(other)),
    }
}

fn refused(statement: &str, help: &'static str) -> Refusal {
    Refusal {
        statement: statement.to_owned(),
        help,
    }
}

fn refused_ast(ast: &Ast) -> Refusal {
    let help = match ast {
        Ast::Insert(_)
        | Ast::Update(_)
        | Ast::Delete(_)
        | Ast::Merge(_)
        | Ast::Truncate(_)
        | Ast::CreateTable(_)
        | Ast::CreateSchema { .. }
        | Ast::CreateDatabase { .. }
        | Ast::CreateIndex(_)
        | Ast::AlterTable(_) => HELP_WRITE,
        Ast::CreateView(_) | Ast::AlterView { .. } => HELP_VIEW,
        Ast::Drop { .. } => HELP_DROP,
        Ast::Copy { .. } | Ast::CopyIntoSnowflake { .. } | Ast::ExportData(_) | Ast::Unload { .. } => HELP_COPY,
        Ast::StartTransaction { .. }
        | Ast::Commit { .. }
        | Ast::Rollback { .. }
        | Ast::Savepoint { .. }
        | Ast::ReleaseSavepoint { .. } => HELP_TRANSACTION,
        Ast::Prepare { .. } | Ast::Execute { .. } | Ast::Deallocate { .. } => HELP_PREPARE,
        Ast::Use(_) => HELP_USE,
        Ast::ShowStatus { .. }
        | Ast::ShowVariables { .. }
        | Ast::ShowCatalogs { .. }
        | Ast::ShowDatabases { .. }
        | Ast::ShowSchemas { .. }
        | Ast::ShowViews { .. }
        | Ast::ShowObjects(_)
        | Ast::ShowCollation { .. }
        | Ast::ShowCharset(_)
        | Ast::ShowProcessList { .. }
        | Ast::ShowCreate { .. } => HELP_SHOW,
        _ => HELP_OTHER,
    };
    Refusal {
        statement: name_of(ast),
        help,
    }
}

/// The leading key words of a statement, as its own text gives them. The text may be long and may hold secrets, so
/// no more than two words are taken, and only upper-case ones.
fn name_of(ast: &Ast) -> String {
    let text = ast.to_string();
    let words: Vec<&str> = text
        .split_whitespace()
        .take(2)
        .take_while(|word| word.chars().all(|c| c.is_ascii_uppercase() || c == '_'))
        .filter(|word| !matches!(*word, "FROM" | "INTO"))
        .collect();
    match words.is_empty() {
        true => "this statement".to_owned(),
        false => words.join(" "),
    }
}
