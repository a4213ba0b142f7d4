//! Funnels in FROM: `funnel(relation, query [, group, time])` and `funnel_groups(relation, query [, group, time] [, step])`.
//!
//! The planner asks for a table function's columns without waiting, but those of a funnel are known only once its
//! relation has been looked up. So the calls are taken out of the statement first, and a name that nobody can write
//! stands for each; what it stands for is made before the statement is planned.

use std::ops::ControlFlow;

use datafusion::sql::parser::Statement as Parsed;
use datafusion::sql::planner::object_name_to_table_reference;
use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, Ident, ObjectName, ObjectNamePart, Spanned, TableAlias, TableFactor, Value,
    VisitMut, VisitorMut,
};

use crate::catalog::CATALOG;
use crate::error::{Place, StatementFault, StatementFaultKind};

/// Schema of the names that stand for calls. Tables cannot have control characters in theirs.
pub(crate) const FUNNEL_SCHEMA: &str = "\u{1}funnel";

/// The table functions of this module.
pub(crate) const FUNNEL_FUNCTIONS: [&str; 2] = ["funnel", "funnel_groups"];

/// What a call answers with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FunnelFunction {
    /// A row for each step.
    Steps,
    /// The ids of the groups that pass a step.
    Groups,
}

/// A call as it was written.
#[derive(Debug)]
pub(crate) struct FunnelCall {
    pub(crate) function: FunnelFunction,
    /// The table that stands for it, within [`FUNNEL_SCHEMA`].
    pub(crate) name: String,
    pub(crate) relation: Argument,
    pub(crate) query: Argument,
    /// Group column and time column.
    pub(crate) columns: Option<(Argument, Argument)>,
    pub(crate) step: Option<Argument>,
}

/// An argument and where it stands.
#[derive(Debug)]
pub(crate) struct Argument {
    pub(crate) given: Given,
    pub(crate) place: Option<Place>,
}

/// What an argument is.
#[derive(Debug)]
pub(crate) enum Given {
    /// A text in quotes.
    Text(String),
    /// A number as it was written.
    Number(String),
    /// A name without single quotes, as the catalog reads it.
    Name(String),
    /// A placeholder, counted from 1.
    Placeholder(usize),
}

/// Takes the calls out of a statement. `first` numbers the first of them; names of a catalog must differ.
///
/// # Errors
/// Every fault of every call that can be told without knowing the tables.
pub(crate) fn take_funnels(
    parsed: &mut Parsed,
    sql: &str,
    first: usize,
) -> Result<Vec<FunnelCall>, Vec<StatementFault>> {
    let mut taking = Taking {
        sql,
        next: first,
        calls: Vec::new(),
        faults: Vec::new(),
    };
    take_from(parsed, &mut taking);
    match taking.faults.is_empty() {
        true => Ok(taking.calls),
        false => Err(taking.faults),
    }
}

fn take_from(parsed: &mut Parsed, taking: &mut Taking<'_>) {
    match parsed {
        Parsed::Statement(ast) => drop(ast.visit(taking)),
        Parsed::Explain(explain) => take_from(&mut explain.statement, taking),
        Parsed::Reset(_) | Parsed::CreateExternalTable(_) | Parsed::CopyTo(_) => {}
    }
}

struct Taking<'a> {
    sql: &'a str,
    next: usize,
    calls: Vec<FunnelCall>,
    faults: Vec<StatementFault>,
}

impl VisitorMut for Taking<'_> {
    type Break = ();

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        match factor {
            TableFactor::Table {
                name,
                args: args @ Some(_),
                alias,
                ..
            } => {
                let Some(function) = function_of(name) else {
                    return ControlFlow::Continue(());
                };
                let given = args.take().map(|args| args.args).unwrap_or_default();
                let called = std::mem::replace(name, self.stand_in());
                alias.get_or_insert_with(|| alias_of(function));
                self.take(function, &called, given);
            }
            TableFactor::Function { name, .. } if function_of(name).is_some() => {
                let place = self.place(name);
                let message = "LATERAL before a funnel is not supported";
                let fault = StatementFault::new(StatementFaultKind::Unsupported, message).at(place);
                self.faults
                    .push(fault.help("leave LATERAL away: a funnel does not depend on the rows beside it"));
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

impl Taking<'_> {
    fn place(&self, node: &impl Spanned) -> Option<Place> {
        let start = node.span().start;
        Place::of(self.sql, start.line, start.column)
    }

    fn stand_in(&self) -> ObjectName {
        let parts = [CATALOG.to_owned(), FUNNEL_SCHEMA.to_owned(), self.next.to_string()];
        let quoted = parts.map(|part| ObjectNamePart::Identifier(Ident::with_quote('"', part)));
        ObjectName(quoted.into())
    }

    fn take(&mut self, function: FunnelFunction, called: &ObjectName, given: Vec<FunctionArg>) {
        let place = self.place(called);
        let count = given.len();
        let arguments: Vec<Argument> = given
            .into_iter()
            .filter_map(|given| self.argument(given, place))
            .collect();
        if arguments.len() < count {
            return;
        }
        let name = self.next.to_string();
        self.next += 1;
        match call_of(function, name, arguments) {
            Some(call) => self.calls.push(call),
            None => self.faults.push(wrong_arguments(function, count, place)),
        }
    }

    /// The argument, or a fault and nothing.
    fn argument(&mut self, given: FunctionArg, call: Option<Place>) -> Option<Argument> {
        let expr = match given {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => expr,
            FunctionArg::Unnamed(_) | FunctionArg::Named { .. } | FunctionArg::ExprNamed { .. } => {
                let message = "a funnel takes its arguments by their order, without names or `*`";
                let fault = StatementFault::new(StatementFaultKind::Meaning, message).at(call);
                self.faults
                    .push(fault.help("write funnel('table', '{...}', 'group column', 'time column')"));
                return None;
            }
        };
        let place = self.place(&expr).or(call);
        match given_of(&expr) {
            Some(given) => Some(Argument { given, place }),
            None => {
                let message = "an argument of a funnel is a text, a number, the name of a table or a placeholder";
                let fault = StatementFault::new(StatementFaultKind::Meaning, message).at(place);
                self.faults
                    .push(fault.help("write the value itself, or `$1` and give it with the statement"));
                None
            }
        }
    }
}

fn function_of(name: &ObjectName) -> Option<FunnelFunction> {
    let [ObjectNamePart::Identifier(only)] = name.0.as_slice() else {
        return None;
    };
    let text = match only.quote_style {
        Some(_) => only.value.clone(),
        None => only.value.to_lowercase(),
    };
    match text.as_str() {
        "funnel" => Some(FunnelFunction::Steps),
        "funnel_groups" => Some(FunnelFunction::Groups),
        _ => None,
    }
}

impl FunnelFunction {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Steps => "funnel",
            Self::Groups => "funnel_groups",
        }
    }
}

/// Without an alias, columns are named as if the function were a table.
fn alias_of(function: FunnelFunction) -> TableAlias {
    TableAlias {
        explicit: true,
        name: Ident::new(function.name()),
        columns: Vec::new(),
        at: None,
    }
}

fn given_of(expr: &Expr) -> Option<Given> {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::Placeholder(name) => name.strip_prefix('$')?.parse().ok().map(Given::Placeholder),
            Value::Number(digits, _) => Some(Given::Number(digits.to_string())),
            text => text.clone().into_string().map(Given::Text),
        },
        Expr::Identifier(only) => name_of(vec![only.clone()]),
        Expr::CompoundIdentifier(parts) => name_of(parts.clone()),
        _ => None,
    }
}

/// Folds what is not quoted, as for a table in FROM.
fn name_of(parts: Vec<Ident>) -> Option<Given> {
    let name = ObjectName(parts.into_iter().map(ObjectNamePart::Identifier).collect());
    let reference = object_name_to_table_reference(name, true).ok()?;
    Some(Given::Name(reference.to_quoted_string()))
}

fn call_of(function: FunnelFunction, name: String, arguments: Vec<Argument>) -> Option<FunnelCall> {
    let mut rest = arguments.into_iter();
    let (relation, query) = (rest.next()?, rest.next()?);
    let mut rest: Vec<Argument> = rest.collect();
    // Columns come in pairs, so an odd argument at the end is a step.
    let step = match function {
        FunnelFunction::Groups if rest.len() % 2 == 1 => rest.pop(),
        FunnelFunction::Groups | FunnelFunction::Steps => None,
    };
    let mut rest = rest.into_iter();
    let columns = match (rest.next(), rest.next(), rest.next()) {
        (None, ..) => None,
        (Some(group), Some(time), None) => Some((group, time)),
        _ => return None,
    };
    Some(FunnelCall {
        function,
        name,
        relation,
        query,
        columns,
        step,
    })
}

fn wrong_arguments(function: FunnelFunction, count: usize, place: Option<Place>) -> StatementFault {
    let (takes, help) = match function {
        FunnelFunction::Steps => (
            "2 or 4",
            "write funnel(relation, query) or funnel(relation, query, group, time)",
        ),
        FunnelFunction::Groups => (
            "2 to 5",
            "write funnel_groups(relation, query [, group, time] [, step])",
        ),
    };
    let message = format!("`{}` takes {takes} arguments, not {count}", function.name());
    StatementFault::new(StatementFaultKind::Meaning, message)
        .at(place)
        .help(help)
}
