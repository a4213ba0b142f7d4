//! The relation: the text that combines conditions into one decision per group.
//!
//! ```text
//! expr  := conj (("or" | "||") conj)*
//! conj  := unary (("and" | "&&") unary)*
//! unary := ("not" | "!")* ( "$" index | "$" name | "(" expr ")" )
//! ```
//!
//! Words are matched in any case and blanks are optional everywhere. The parser is a shunting yard with a stack of its
//! own and its product is a list in postfix order, so that no nesting, however deep, can exhaust the call stack while
//! parsing, evaluating or dropping.

use std::collections::HashMap;

/// Longest relation that is read, in bytes.
pub(crate) const RELATION_BYTES_MAX: usize = 1 << 20;

/// One element of a relation in postfix order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Condition(usize),
    Not,
    And,
    Or,
}

/// A relation that parsed and whose conditions exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Relation {
    postfix: Vec<Step>,
}

/// What is wrong with a relation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RelationFault {
    Empty,
    TooLong {
        bytes: usize,
    },
    UnknownIndex {
        text: String,
    },
    UnknownName {
        name: String,
    },
    /// Unexpected text at a byte position.
    Syntax {
        expected: &'static str,
        at: usize,
    },
}

impl Relation {
    /// All of `count` conditions, joined by `and` or by `or`.
    pub(crate) fn joined(count: usize, join: Step) -> Self {
        let mut postfix = Vec::new();
        for index in 0..count {
            postfix.push(Step::Condition(index));
            if index > 0 {
                postfix.push(join);
            }
        }
        Self { postfix }
    }

    /// Parses an expression over `count` conditions, of which some have names (in lower case). Reports every unknown
    /// condition, and the first mistake of grammar.
    pub(crate) fn parse(text: &str, count: usize, names: &HashMap<String, usize>) -> Result<Self, Vec<RelationFault>> {
        if text.len() > RELATION_BYTES_MAX {
            return Err(vec![RelationFault::TooLong { bytes: text.len() }]);
        }
        if text.trim().is_empty() {
            return Err(vec![RelationFault::Empty]);
        }
        let mut yard = Yard::default();
        let mut scanner = Scanner { text, at: 0 };
        match yard.read(&mut scanner, count, names) {
            Ok(()) if yard.unknown.is_empty() => Ok(Self { postfix: yard.output }),
            Ok(()) => Err(yard.unknown),
            Err(fault) => {
                yard.unknown.push(fault);
                Err(yard.unknown)
            }
        }
    }

    /// Decides a group from the outcome of each condition. A condition that does not exist counts as false.
    pub(crate) fn holds(&self, conditions: &[bool]) -> bool {
        let mut stack: Vec<bool> = Vec::new();
        for step in &self.postfix {
            let outcome = match step {
                Step::Condition(index) => conditions.get(*index).copied().unwrap_or(false),
                Step::Not => !stack.pop().unwrap_or(false),
                Step::And => pop_both(&mut stack, |left, right| left && right),
                Step::Or => pop_both(&mut stack, |left, right| left || right),
            };
            stack.push(outcome);
        }
        stack.pop().unwrap_or(true)
    }

    /// Decides many groups at once: `conditions` holds each condition's outcome per group.
    pub(crate) fn outcomes(&self, conditions: &[Vec<bool>], groups: usize) -> Vec<bool> {
        let words: Vec<Vec<u64>> = conditions.iter().map(|outcomes| packed(outcomes)).collect();
        let mut decided = Vec::with_capacity(groups.next_multiple_of(64));
        let mut stack: Vec<u64> = Vec::new();
        for word in 0..groups.div_ceil(64) {
            let outcome = self.word(&words, word, &mut stack);
            decided.extend((0..64).map(|bit| outcome >> bit & 1 == 1));
        }
        decided.truncate(groups);
        decided
    }

    /// The outcomes of 64 groups as bits.
    fn word(&self, conditions: &[Vec<u64>], word: usize, stack: &mut Vec<u64>) -> u64 {
        stack.clear();
        for step in &self.postfix {
            let mut pop = || stack.pop().unwrap_or(0);
            let outcome = match step {
                Step::Condition(index) => conditions
                    .get(*index)
                    .and_then(|words| words.get(word))
                    .copied()
                    .unwrap_or(0),
                Step::Not => !pop(),
                Step::And => pop() & pop(),
                Step::Or => pop() | pop(),
            };
            stack.push(outcome);
        }
        stack.pop().unwrap_or(u64::MAX)
    }

    /// Indexes of the conditions in use, in the order of their first use.
    pub(crate) fn conditions(&self) -> Vec<usize> {
        let mut seen = std::collections::HashSet::new();
        let indexes = self.postfix.iter().filter_map(|step| match step {
            Step::Condition(index) => Some(*index),
            Step::Not | Step::And | Step::Or => None,
        });
        indexes.filter(|index| seen.insert(*index)).collect()
    }
}

/// Outcomes as bits, 64 to a word.
fn packed(outcomes: &[bool]) -> Vec<u64> {
    let word = |chunk: &[bool]| {
        (0_u32..)
            .zip(chunk)
            .fold(0, |word, (bit, outcome)| word | u64::from(*outcome) << bit)
    };
    outcomes.chunks(64).map(word).collect()
}

fn pop_both(stack: &mut Vec<bool>, join: impl Fn(bool, bool) -> bool) -> bool {
    let right = stack.pop().unwrap_or(false);
    let left = stack.pop().unwrap_or(false);
    join(left, right)
}

/// A single operator instead of an expression, as in `"relation": "or"`: the operator in lower case.
pub(crate) fn single_operator(text: &str) -> Option<(String, Step)> {
    let word = text.trim().to_lowercase();
    match word.as_str() {
        "and" | "&&" => Some((word, Step::And)),
        "or" | "||" => Some((word, Step::Or)),
        _ => None,
    }
}

/// An operator or bracket that waits for its right side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waiting {
    Bracket { at: usize },
    Or,
    And,
    Not,
}

impl Waiting {
    fn strength(self) -> u8 {
        match self {
            Self::Bracket { .. } => 0,
            Self::Or => 1,
            Self::And => 2,
            Self::Not => 3,
        }
    }

    fn step(self) -> Option<Step> {
        match self {
            Self::Bracket { .. } => None,
            Self::Or => Some(Step::Or),
            Self::And => Some(Step::And),
            Self::Not => Some(Step::Not),
        }
    }
}

#[derive(Debug, Default)]
struct Yard {
    output: Vec<Step>,
    waiting: Vec<Waiting>,
    unknown: Vec<RelationFault>,
}

impl Yard {
    fn read(
        &mut self,
        scanner: &mut Scanner<'_>,
        count: usize,
        names: &HashMap<String, usize>,
    ) -> Result<(), RelationFault> {
        loop {
            self.read_prefixes(scanner);
            let condition = scanner.condition()?;
            let index = self.resolve(condition, count, names);
            self.output.push(Step::Condition(index));
            while scanner.take(")") {
                self.close_bracket(scanner)?;
            }
            if scanner.is_at_end() {
                return self.finish();
            }
            let operator = scanner.operator().ok_or(scanner.fault("`and`, `or` or `)`"))?;
            self.release(operator.strength());
            self.waiting.push(operator);
        }
    }

    fn read_prefixes(&mut self, scanner: &mut Scanner<'_>) {
        loop {
            let at = scanner.at;
            if scanner.take("(") {
                self.waiting.push(Waiting::Bracket { at });
            } else if scanner.take("not") || scanner.take("!") {
                self.waiting.push(Waiting::Not);
            } else {
                return;
            }
        }
    }

    fn resolve(&mut self, condition: &str, count: usize, names: &HashMap<String, usize>) -> usize {
        if condition.starts_with(|first: char| first.is_ascii_digit()) {
            let index = condition.parse().ok().filter(|index| *index < count);
            return index.unwrap_or_else(|| {
                self.unknown.push(RelationFault::UnknownIndex {
                    text: condition.to_owned(),
                });
                0
            });
        }
        names.get(&condition.to_lowercase()).copied().unwrap_or_else(|| {
            self.unknown.push(RelationFault::UnknownName {
                name: condition.to_owned(),
            });
            0
        })
    }

    /// Moves operators that bind at least as strongly as `strength` to the output.
    fn release(&mut self, strength: u8) {
        while let Some(step) = self
            .waiting
            .pop_if(|top| top.strength() >= strength.max(1))
            .and_then(Waiting::step)
        {
            self.output.push(step);
        }
    }

    fn close_bracket(&mut self, scanner: &Scanner<'_>) -> Result<(), RelationFault> {
        self.release(1);
        match self.waiting.pop() {
            Some(_) => Ok(()),
            None => Err(RelationFault::Syntax {
                expected: "no further `)`",
                at: scanner.at.saturating_sub(1),
            }),
        }
    }

    fn finish(&mut self) -> Result<(), RelationFault> {
        self.release(1);
        match self.waiting.pop() {
            Some(Waiting::Bracket { at }) => Err(RelationFault::Syntax {
                expected: "a `)` for this `(`",
                at,
            }),
            _ => Ok(()),
        }
    }
}

struct Scanner<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Scanner<'t> {
    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn skip_blanks(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    fn is_at_end(&mut self) -> bool {
        self.skip_blanks();
        self.rest().is_empty()
    }

    /// Consumes `word`, in any case, if it comes next.
    fn take(&mut self, word: &str) -> bool {
        self.skip_blanks();
        let found = self
            .rest()
            .get(..word.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(word));
        if found {
            self.at += word.len();
        }
        found
    }

    fn operator(&mut self) -> Option<Waiting> {
        if self.take("and") || self.take("&&") {
            Some(Waiting::And)
        } else if self.take("or") || self.take("||") {
            Some(Waiting::Or)
        } else {
            None
        }
    }

    /// The index or name behind a `$`.
    fn condition(&mut self) -> Result<&'t str, RelationFault> {
        const EXPECTED: &str = "a condition such as `$0` or `$name`";
        self.skip_blanks();
        let name = self.rest().strip_prefix('$').ok_or(self.fault(EXPECTED))?;
        let is_index = name.starts_with(|first: char| first.is_ascii_digit());
        let belongs =
            |letter: char| letter.is_ascii_digit() || (!is_index && (letter.is_ascii_alphabetic() || letter == '_'));
        let length = name.find(|letter| !belongs(letter)).unwrap_or(name.len());
        let name = name.get(..length).unwrap_or_default();
        if name.is_empty() || name.starts_with('_') {
            return Err(self.fault(EXPECTED));
        }
        self.at += 1 + length;
        Ok(name)
    }

    fn fault(&self, expected: &'static str) -> RelationFault {
        RelationFault::Syntax { expected, at: self.at }
    }
}

#[cfg(test)]
mod tests;
