//! One walk over the syntax tree: what it names, and what the planner would silently ignore.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use datafusion::sql::parser::Statement as Parsed;
use datafusion::sql::planner::object_name_to_table_reference;
use datafusion::sql::sqlparser::ast::{
    GroupByExpr, Ident, ObjectName, ObjectNamePart, Query, Select, SelectFlavor, Spanned, Statement as Ast,
    TableFactor, Value, ValueWithSpan, Visit, Visitor,
};
use datafusion::sql::sqlparser::tokenizer::Span;

use hw_catalog::DEFAULT_SCHEMA;

use super::kind::{kind_of, kind_of_ast};
use super::{CheckedStatement, RELATIONS_MAX, Relation};
use crate::catalog::CATALOG;
use crate::error::{Place, QueryError, StatementFault, StatementFaultKind};

/// Checks one parsed statement that starts at `start`.
pub(super) fn check(parsed: Parsed, sql: &str, start: Option<Place>) -> Result<CheckedStatement, QueryError> {
    let kind = kind_of(&parsed).map_err(|refusal| {
        let message = format!("{} is not carried out here", refusal.statement);
        StatementFault::new(StatementFaultKind::Refused, message)
            .at(start)
            .help(refusal.help)
    })?;
    let mut walk = Walk::new(sql);
    walk_into(&parsed, &mut walk);
    if walk.faults.is_empty() {
        return Ok(CheckedStatement {
            parsed: with_whole_names(parsed),
            kind,
            relations: walk.relations,
            placeholders: walk.placeholders,
            conditions: 0,
        });
    }
    walk.faults.sort_by_key(|fault| fault.place.map(|place| place.offset));
    walk.faults.dedup();
    Err(QueryError::Statement(walk.faults))
}

/// SHOW COLUMNS and SHOW CREATE take a name without a schema to mean the tables of that name in all schemas.
fn with_whole_names(parsed: Parsed) -> Parsed {
    let Parsed::Statement(mut ast) = parsed else {
        return parsed;
    };
    let name = match ast.as_mut() {
        Ast::ShowColumns { show_options, .. } => show_options
            .show_in
            .as_mut()
            .and_then(|show_in| show_in.parent_name.as_mut()),
        Ast::ShowCreate { obj_name, .. } => Some(obj_name),
        _ => None,
    };
    if let Some(ObjectName(parts)) = name
        && parts.len() == 1
    {
        parts.insert(0, ObjectNamePart::Identifier(Ident::new(DEFAULT_SCHEMA)));
        parts.insert(0, ObjectNamePart::Identifier(Ident::new(CATALOG)));
    }
    Parsed::Statement(ast)
}

fn walk_into(parsed: &Parsed, walk: &mut Walk<'_>) {
    match parsed {
        Parsed::Statement(ast) => drop(ast.visit(walk)),
        Parsed::Explain(explain) => walk_into(&explain.statement, walk),
        Parsed::Reset(_) | Parsed::CreateExternalTable(_) | Parsed::CopyTo(_) => {}
    }
}

struct Walk<'a> {
    sql: &'a str,
    relations: Vec<Relation>,
    relation_count: usize,
    /// Places of names that call a table function; the same names are visited as relations as well.
    table_functions: BTreeSet<(u64, u64)>,
    placeholders: BTreeSet<usize>,
    faults: Vec<StatementFault>,
}

impl<'a> Walk<'a> {
    fn new(sql: &'a str) -> Self {
        Self {
            sql,
            relations: Vec::new(),
            relation_count: 0,
            table_functions: BTreeSet::new(),
            placeholders: BTreeSet::new(),
            faults: Vec::new(),
        }
    }

    fn place(&self, span: Span) -> Option<Place> {
        Place::of(self.sql, span.start.line, span.start.column)
    }

    /// Spans are computed over the whole node, so only where there is a fault.
    fn refuse_if(&mut self, present: bool, what: &str, node: &impl Spanned, help: &str) {
        if present {
            let place = self.place(node.span());
            let message = format!("{what} is not supported");
            self.faults.push(
                StatementFault::new(StatementFaultKind::Unsupported, message)
                    .at(place)
                    .help(help),
            );
        }
    }

    fn count_relation(&mut self) {
        self.relation_count += 1;
        if self.relation_count == RELATIONS_MAX + 1 {
            let message = format!("the statement names more than {RELATIONS_MAX} tables");
            self.faults.push(StatementFault::new(StatementFaultKind::Size, message));
        }
    }

    fn note_placeholder(&mut self, name: &str, span: Span) {
        match name.strip_prefix('$').and_then(|digits| digits.parse::<usize>().ok()) {
            Some(number) if number > 0 => {
                self.placeholders.insert(number);
            }
            _ => {
                let place = self.place(span);
                let message = format!("`{name}` is not a placeholder");
                self.faults.push(
                    StatementFault::new(StatementFaultKind::Parameter, message)
                        .at(place)
                        .help("placeholders are numbered: `$1`, `$2`"),
                );
            }
        }
    }
}

impl Visitor for Walk<'_> {
    type Break = ();

    fn pre_visit_statement(&mut self, statement: &Ast) -> ControlFlow<()> {
        if let Err(refusal) = kind_of_ast(statement) {
            let place = self.place(statement.span());
            let message = format!("{} is not carried out here", refusal.statement);
            self.faults.push(
                StatementFault::new(StatementFaultKind::Refused, message)
                    .at(place)
                    .help(refusal.help),
            );
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        self.refuse_if(
            !query.locks.is_empty(),
            "FOR UPDATE",
            query.body.as_ref(),
            "leave it away: queries lock nothing",
        );
        self.refuse_if(
            query.for_clause.is_some(),
            "FOR XML, JSON or BROWSE",
            query.body.as_ref(),
            "choose the format of the answer",
        );
        self.refuse_if(
            query.settings.is_some(),
            "SETTINGS",
            query.body.as_ref(),
            "use SET before the query",
        );
        self.refuse_if(
            query.format_clause.is_some(),
            "FORMAT",
            query.body.as_ref(),
            "choose the format of the answer",
        );
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
        if select.projection.is_empty() && select.flavor == SelectFlavor::Standard {
            let place = self.place(select.select_token.0.span);
            let fault = StatementFault::new(StatementFaultKind::Meaning, "SELECT names no columns");
            self.faults
                .push(fault.at(place).help("write `SELECT *`, or the columns you want"));
        }
        let with_modifiers = match &select.group_by {
            GroupByExpr::All(modifiers) | GroupByExpr::Expressions(_, modifiers) => !modifiers.is_empty(),
        };
        self.refuse_if(
            with_modifiers,
            "GROUP BY ... WITH",
            select,
            "write GROUP BY ROLLUP (...) or CUBE (...)",
        );
        self.refuse_if(select.prewhere.is_some(), "PREWHERE", select, "write WHERE");
        self.refuse_if(
            !select.connect_by.is_empty(),
            "CONNECT BY",
            select,
            "write WITH RECURSIVE",
        );
        self.refuse_if(select.into.is_some(), "SELECT INTO", select, "SQL writes no rows yet");
        self.refuse_if(
            select.value_table_mode.is_some(),
            "SELECT AS VALUE or STRUCT",
            select,
            "write `struct(...)`",
        );
        self.refuse_if(
            select.select_modifiers.is_some(),
            "a modifier after SELECT",
            select,
            "leave it away",
        );
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        self.count_relation();
        if let TableFactor::Table {
            name, args: Some(_), ..
        } = factor
        {
            let start = name.span().start;
            self.table_functions.insert((start.line, start.column));
        }
        for (present, what, help) in ignored_of(factor) {
            self.refuse_if(present, what, factor, help);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, name: &ObjectName) -> ControlFlow<()> {
        let start = name.span().start;
        if self.table_functions.contains(&(start.line, start.column)) {
            return ControlFlow::Continue(());
        }
        let place = self.place(name.span());
        let quoted = match name.0.as_slice() {
            [ObjectNamePart::Identifier(only)] => only.quote_style.is_some(),
            _ => false,
        };
        match object_name_to_table_reference(name.clone(), true) {
            Ok(name) => self.relations.push(Relation { name, quoted, place }),
            Err(_) => {
                let message = format!("`{name}` is not the name of a table");
                let help = "a table is named `table`, `schema.table` or `headwater.schema.table`";
                self.faults.push(
                    StatementFault::new(StatementFaultKind::UnknownTable, message)
                        .at(place)
                        .help(help),
                );
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_value(&mut self, value: &ValueWithSpan) -> ControlFlow<()> {
        if let Value::Placeholder(name) = &value.value {
            self.note_placeholder(name, value.span);
        }
        ControlFlow::Continue(())
    }
}

/// What the planner ignores beside a table: whether it is there, what it is called, what to write instead.
fn ignored_of(factor: &TableFactor) -> Vec<(bool, &'static str, &'static str)> {
    const SAMPLE: (&str, &str) = ("TABLESAMPLE", "write `WHERE random() < 0.1`");
    const ORDINALITY: (&str, &str) = ("WITH ORDINALITY", "write `row_number() OVER ()`");
    const CURRENT: &str = "leave it away: a query reads the current version of each table";
    match factor {
        TableFactor::Table {
            with_hints,
            version,
            with_ordinality,
            partitions,
            json_path,
            sample,
            index_hints,
            ..
        } => vec![
            (version.is_some(), "reading an older version of a table", CURRENT),
            (sample.is_some(), SAMPLE.0, SAMPLE.1),
            (!with_hints.is_empty(), "WITH (...) after a table", "leave it away"),
            (*with_ordinality, ORDINALITY.0, ORDINALITY.1),
            (!partitions.is_empty(), "PARTITION (...) after a table", "write WHERE"),
            (
                json_path.is_some(),
                "a path after a table",
                "select the member of a column",
            ),
            (!index_hints.is_empty(), "an index hint", "leave it away"),
        ],
        TableFactor::Derived { sample, .. } => vec![(sample.is_some(), SAMPLE.0, SAMPLE.1)],
        TableFactor::Function { with_ordinality, .. } => vec![(*with_ordinality, ORDINALITY.0, ORDINALITY.1)],
        _ => Vec::new(),
    }
}
