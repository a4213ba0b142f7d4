//! Functions and modules of a source file, found by following braces.
//!
//! Knows just enough of Rust's grammar: an item's word (`fn`, `mod`, `impl`, `trait`) waits for its `{` or `;`. Macro definitions
//! are read like code; items whose name is a macro variable are passed over.

use crate::source::{Kind, Lexeme, lex};

#[cfg(test)]
mod tests;

#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Outline {
    pub(crate) functions: Vec<Function>,
    pub(crate) modules: Vec<Module>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Function {
    /// Enclosing modules, types and functions, then the name: `tests::Queue::claim`, `Display for JobId::fmt`.
    pub(crate) path: String,
    pub(crate) first_line: usize,
    /// From the line of `fn` to the line of the closing brace.
    pub(crate) lines: usize,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Module {
    pub(crate) name: String,
    /// Enclosing modules within the file, outermost first.
    pub(crate) parents: Vec<String>,
    pub(crate) line: usize,
    pub(crate) body: Body,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Body {
    Inline,
    /// `mod name;`, with the value of `#[path = "…"]` where there is one.
    File {
        path: Option<String>,
    },
}

/// The functions with a body and the modules of a file; functions in order of their ends.
pub(crate) fn outline(text: &str) -> Outline {
    let lexemes: Vec<Lexeme<'_>> = lex(text)
        .into_iter()
        .filter(|lexeme| lexeme.kind != Kind::Comment)
        .collect();
    let mut reader = Reader::default();
    for (at, lexeme) in lexemes.iter().enumerate() {
        let following = lexemes.get(at + 1..).unwrap_or_default();
        match lexeme.kind {
            Kind::Code => reader.read(*lexeme, following),
            Kind::Comment | Kind::Literal => {}
        }
    }
    reader.outline
}

#[derive(Default)]
struct Reader {
    /// One for each open brace.
    scopes: Vec<Option<Item>>,
    /// Open parentheses and brackets.
    nesting: usize,
    /// An item whose body has not begun, and the nesting it stands in.
    waiting: Option<(Item, usize)>,
    path_attribute: Option<String>,
    outline: Outline,
}

struct Item {
    kind: ItemKind,
    name: String,
    line: usize,
}

#[derive(PartialEq, Eq)]
enum ItemKind {
    Function,
    Module,
    /// Of a type or a trait.
    Members,
}

impl Reader {
    fn read(&mut self, lexeme: Lexeme<'_>, following: &[Lexeme<'_>]) {
        match lexeme.text {
            "(" | "[" => self.nesting += 1,
            ")" | "]" => self.leave_nesting(),
            "{" => self.open(),
            "}" => self.close(lexeme.line),
            ";" => self.end_item(),
            "path" => self.note_path_attribute(following),
            _ if self.waiting.is_none() => self.waiting = item(lexeme, following).map(|item| (item, self.nesting)),
            _ => {}
        }
    }

    fn leave_nesting(&mut self) {
        self.nesting = self.nesting.saturating_sub(1);
        if self
            .waiting
            .as_ref()
            .is_some_and(|(_, nesting)| *nesting > self.nesting)
        {
            self.waiting = None;
        }
    }

    fn open(&mut self) {
        let nesting = self.nesting;
        let item = self
            .waiting
            .take_if(|(_, begun)| *begun == nesting)
            .map(|(item, _)| item);
        if let Some(module) = item.as_ref().filter(|item| item.kind == ItemKind::Module) {
            let module = self.module(module, Body::Inline);
            self.outline.modules.push(module);
        }
        self.scopes.push(item);
    }

    fn close(&mut self, line: usize) {
        let closed = self.scopes.pop().flatten();
        if let Some(function) = closed.filter(|item| item.kind == ItemKind::Function) {
            let enclosing = self.scopes.iter().flatten().map(|item| item.name.as_str());
            let path = enclosing.chain([function.name.as_str()]).collect::<Vec<_>>().join("::");
            self.outline.functions.push(Function {
                path,
                first_line: function.line,
                lines: line - function.line + 1,
            });
        }
    }

    fn end_item(&mut self) {
        let nesting = self.nesting;
        let item = self
            .waiting
            .take_if(|(_, begun)| *begun == nesting)
            .map(|(item, _)| item);
        let path = self.path_attribute.take();
        if let Some(module) = item.filter(|item| item.kind == ItemKind::Module) {
            let module = self.module(&module, Body::File { path });
            self.outline.modules.push(module);
        }
    }

    fn module(&self, item: &Item, body: Body) -> Module {
        let enclosing = self
            .scopes
            .iter()
            .flatten()
            .filter(|item| item.kind == ItemKind::Module);
        Module {
            name: item.name.clone(),
            parents: enclosing.map(|item| item.name.clone()).collect(),
            line: item.line,
            body,
        }
    }

    fn note_path_attribute(&mut self, following: &[Lexeme<'_>]) {
        if let [equals, value, ..] = following
            && equals.is_code("=")
            && value.kind == Kind::Literal
        {
            self.path_attribute = Some(value.text.trim_matches('"').to_owned());
        }
    }
}

/// The item that begins with `word`, if one does. `fn(` is a type and `mod $name` a macro's pattern.
fn item(word: Lexeme<'_>, following: &[Lexeme<'_>]) -> Option<Item> {
    let named = || {
        following
            .first()
            .filter(|name| name.is_word())
            .map(|name| name.text.to_owned())
    };
    let (kind, name) = match word.text {
        "fn" => (ItemKind::Function, named()?),
        "mod" => (ItemKind::Module, named()?),
        "trait" => (ItemKind::Members, named()?),
        "impl" => (ItemKind::Members, implementer(following)),
        _ => return None,
    };
    Some(Item {
        kind,
        name,
        line: word.line,
    })
}

/// `Display for JobId` out of `<T> std::fmt::Display for JobId<T> where …`.
fn implementer(following: &[Lexeme<'_>]) -> String {
    let (mut angles, mut names, mut minus) = (0_usize, Vec::new(), false);
    for lexeme in following {
        match lexeme.text {
            "{" | ";" | "where" => break,
            "<" => angles += 1,
            ">" if !minus => angles = angles.saturating_sub(1),
            "for" if angles == 0 => names.push("for"),
            word if angles == 0 && lexeme.is_word() => match names.last_mut() {
                Some(last) if *last != "for" => *last = word,
                _ => names.push(word),
            },
            _ => {}
        }
        minus = lexeme.text == "-";
    }
    names.join(" ")
}
