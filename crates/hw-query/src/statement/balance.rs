//! Long chains of AND and of OR, as trees of little depth.
//!
//! The parser makes `a OR b OR c OR ...` a tree as deep as the chain is long. Optimiser rules look at whole sub-trees
//! again and again, which takes time that grows with the square of the depth, and recursion takes stack. AND and OR
//! are associative, also with nulls, so the same operands in the same order may hang on a balanced tree.

use std::ops::ControlFlow;

use datafusion::sql::parser::Statement as Parsed;
use datafusion::sql::sqlparser::ast::{BinaryOperator, Expr, Value, VisitMut, VisitorMut};

/// Chains shorter than this are left as they are.
const CHAIN_MIN: usize = 16;

/// Balances all chains of a statement.
pub(super) fn balance(parsed: &mut Parsed) {
    match parsed {
        Parsed::Statement(ast) => drop(ast.visit(&mut Balance)),
        Parsed::Explain(explain) => balance(&mut explain.statement),
        Parsed::Reset(_) | Parsed::CreateExternalTable(_) | Parsed::CopyTo(_) => {}
    }
}

struct Balance;

impl VisitorMut for Balance {
    type Break = ();

    /// Comes to the top of a chain before its parts, so that what is below is shallow when it is walked.
    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Some(op) = chained(expr).filter(|op| length(expr, op) >= CHAIN_MIN) {
            let whole = std::mem::replace(expr, Expr::Value(Value::Null.into()));
            *expr = tree(operands(whole, &op), &op);
        }
        ControlFlow::Continue(())
    }
}

fn chained(expr: &Expr) -> Option<BinaryOperator> {
    match expr {
        Expr::BinaryOp {
            op: op @ (BinaryOperator::And | BinaryOperator::Or),
            ..
        } => Some(op.clone()),
        _ => None,
    }
}

/// Operands along the left side; a balanced tree has few.
fn length(expr: &Expr, chain: &BinaryOperator) -> usize {
    let mut length = 1;
    let mut next = expr;
    while let Expr::BinaryOp { left, op, .. } = next {
        if op != chain {
            break;
        }
        length += 1;
        next = left;
    }
    length
}

/// Takes a chain apart without recursion, first operand first.
fn operands(expr: Expr, chain: &BinaryOperator) -> Vec<Expr> {
    let mut found = Vec::new();
    let mut next = expr;
    loop {
        match next {
            Expr::BinaryOp { left, op, right } if op == *chain => {
                found.push(*right);
                next = *left;
            }
            first => {
                found.push(first);
                break;
            }
        }
    }
    found.reverse();
    found
}

/// Joins neighbours, then neighbours of neighbours, until one is left.
fn tree(mut operands: Vec<Expr>, op: &BinaryOperator) -> Expr {
    while operands.len() > 1 {
        let mut joined = Vec::with_capacity(operands.len().div_ceil(2));
        let mut rest = operands.into_iter();
        while let Some(left) = rest.next() {
            joined.push(match rest.next() {
                Some(right) => Expr::BinaryOp {
                    left: Box::new(left),
                    op: op.clone(),
                    right: Box::new(right),
                },
                None => left,
            });
        }
        operands = joined;
    }
    operands.pop().unwrap_or_else(|| Expr::Value(Value::Null.into()))
}
