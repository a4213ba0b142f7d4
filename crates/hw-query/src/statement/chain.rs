//! A limit for chains of operators, found in the tokens: a tree that is too deep must not be built.
//!
//! Each operator of `1 + 1 + 1 ...`, each `UNION SELECT`, each `JOIN` deepens a tree by one. The parser does not count
//! these, since it builds them in a loop; but trees are walked and dropped recursively, and the optimiser's time grows
//! with the square of their depth. Chains of AND and OR are not limited: they are balanced (`balance.rs`).

use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use crate::error::{Place, QueryError, StatementFault, StatementFaultKind};

/// Words and operators on one level of nesting, between commas and AND or OR.
const CHAIN_TOKENS_MAX: usize = 4_000;

/// UNION, EXCEPT, INTERSECT and `|>` on one level of nesting.
const SETS_MAX: usize = 1_000;

/// Refuses chains that are too long.
pub(super) fn check(tokens: &[TokenWithSpan], sql: &str) -> Result<(), QueryError> {
    let mut outer = Vec::new();
    let mut level = Level::default();
    for token in tokens {
        match step(&token.token) {
            Step::Blank => {}
            Step::Open => outer.push(std::mem::take(&mut level)),
            Step::Close => {
                level = outer.pop().unwrap_or(level);
                level.chain += 1;
            }
            Step::Part => level.begin_part(),
            Step::Between => {
                level.betweens += 1;
                level.chain += 1;
            }
            // The AND of a BETWEEN belongs to it, and so to the chain around it.
            Step::And if level.betweens > 0 => {
                level.betweens -= 1;
                level.chain += 1;
            }
            Step::And => level.begin_part(),
            Step::Set => level.sets += 1,
            Step::Word => level.chain += 1,
        }
        if level.chain > CHAIN_TOKENS_MAX {
            let what = format!("more than {CHAIN_TOKENS_MAX} words and operators follow each other without a comma");
            return Err(too_long(what, token, sql).into());
        }
        if level.sets > SETS_MAX {
            return Err(too_long(
                format!("more than {SETS_MAX} queries are joined by UNION and the like"),
                token,
                sql,
            )
            .into());
        }
    }
    Ok(())
}

/// The conditions that AND and OR join, all levels together.
pub(super) fn conditions(tokens: &[TokenWithSpan]) -> usize {
    tokens
        .iter()
        .filter(|token| matches!(step(&token.token), Step::And))
        .count()
}

/// What was counted on one level of nesting.
#[derive(Default)]
struct Level {
    chain: usize,
    betweens: usize,
    /// Queries that were joined; commas and AND within them end nothing here.
    sets: usize,
}

impl Level {
    fn begin_part(&mut self) {
        self.chain = 0;
        self.betweens = 0;
    }
}

enum Step {
    Blank,
    Open,
    Close,
    /// Separates items of a list, which lie side by side.
    Part,
    Between,
    /// AND or OR.
    And,
    /// Joins two queries.
    Set,
    Word,
}

fn step(token: &Token) -> Step {
    match token {
        Token::Whitespace(_) => Step::Blank,
        Token::LParen | Token::LBracket | Token::LBrace => Step::Open,
        Token::RParen | Token::RBracket | Token::RBrace => Step::Close,
        Token::Comma | Token::SemiColon => Step::Part,
        Token::VerticalBarRightAngleBracket => Step::Set,
        Token::Word(word) => match word.keyword {
            Keyword::CASE => Step::Open,
            Keyword::END => Step::Close,
            Keyword::WHEN | Keyword::THEN | Keyword::ELSE => Step::Part,
            Keyword::BETWEEN => Step::Between,
            Keyword::AND | Keyword::OR => Step::And,
            Keyword::UNION | Keyword::EXCEPT | Keyword::INTERSECT | Keyword::MINUS => Step::Set,
            _ => Step::Word,
        },
        _ => Step::Word,
    }
}

fn too_long(message: String, token: &TokenWithSpan, sql: &str) -> StatementFault {
    let start = token.span.start;
    StatementFault::new(StatementFaultKind::Size, message)
        .at(Place::of(sql, start.line, start.column))
        .help("break the chain up with parentheses or WITH clauses, or put the values into a file and join it")
}
