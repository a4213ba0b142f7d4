//! From a JSON pointer to a place in the text as the user wrote it.
//!
//! The text is scanned along the pointer; what lies beside the path is skipped without being understood, so that depth and
//! size do not matter. Texts that are not JSON give some place or none, never a panic.

use std::ops::Range;

#[cfg(test)]
mod tests;

/// The bytes of what `pointer` leads to: of a member, key and value; of an element, the value. Where the path ends early,
/// those of the last part that exists. `None` for a text without any value, or a text that is not a pointer.
pub(crate) fn find(text: &str, pointer: &str) -> Option<Range<usize>> {
    let mut scanner = Scanner { text, at: 0 };
    scanner.skip_blanks();
    let mut found = scanner.at..scanner.value_end(scanner.at)?;
    let mut value = found.start;
    for token in tokens(pointer)? {
        scanner.at = value;
        let Some(step) = scanner.step_into(&token) else { break };
        found = step.start..step.end;
        value = step.value;
    }
    Some(found)
}

/// The parts of a pointer, unescaped. `None` if it is not empty and does not begin with `/`.
fn tokens(pointer: &str) -> Option<Vec<String>> {
    if pointer.is_empty() {
        return Some(Vec::new());
    }
    let tokens = pointer.strip_prefix('/')?.split('/');
    Some(
        tokens
            .map(|token| token.replace("~1", "/").replace("~0", "~"))
            .collect(),
    )
}

struct Step {
    start: usize,
    end: usize,
    /// Where the value begins.
    value: usize,
}

struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl Scanner<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_blanks(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_whitespace()) {
            self.at += 1;
        }
    }

    /// Goes past `byte` and the blanks after it.
    fn pass(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then_some(())?;
        self.at += 1;
        self.skip_blanks();
        Some(())
    }

    fn step_into(&mut self, token: &str) -> Option<Step> {
        match self.peek()? {
            b'{' => self.step_into_object(token),
            b'[' => self.step_into_array(token.parse().ok()?),
            _ => None,
        }
    }

    fn step_into_object(&mut self, token: &str) -> Option<Step> {
        self.pass(b'{')?;
        loop {
            let start = self.at;
            let key_end = self.value_end(start)?;
            let key: String = serde_json::from_str(self.text.get(start..key_end)?).ok()?;
            self.at = key_end;
            self.skip_blanks();
            self.pass(b':')?;
            let value = self.at;
            let end = self.value_end(value)?;
            if key == token {
                return Some(Step { start, end, value });
            }
            self.at = end;
            self.skip_blanks();
            self.pass(b',')?;
        }
    }

    fn step_into_array(&mut self, index: usize) -> Option<Step> {
        self.pass(b'[')?;
        for _ in 0..index {
            self.at = self.value_end(self.at)?;
            self.skip_blanks();
            self.pass(b',')?;
        }
        let value = self.at;
        let end = self.value_end(value)?;
        Some(Step {
            start: value,
            end,
            value,
        })
    }

    /// Where the value that begins at `start` ends; `None` if there is none.
    fn value_end(&self, start: usize) -> Option<usize> {
        let bytes = self.text.as_bytes();
        let mut depth = 0_usize;
        let mut at = start;
        loop {
            match *bytes.get(at)? {
                b'"' => at = string_end(bytes, at)?,
                b'{' | b'[' => {
                    depth += 1;
                    at += 1;
                }
                b'}' | b']' if depth == 0 => return None,
                b'}' | b']' => {
                    depth -= 1;
                    at += 1;
                }
                b',' | b':' if depth == 0 => return None,
                byte if depth > 0 && (byte.is_ascii_whitespace() || byte == b',' || byte == b':') => at += 1,
                _ => at = word_end(bytes, at),
            }
            if depth == 0 {
                return Some(at);
            }
        }
    }
}

/// Where the string that begins at `start` ends, behind its closing quote.
fn string_end(bytes: &[u8], start: usize) -> Option<usize> {
    let mut at = start + 1;
    loop {
        match *bytes.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

/// Where a number, `true`, `false`, `null` or anything unknown ends.
fn word_end(bytes: &[u8], start: usize) -> usize {
    let ends = |byte: &u8| byte.is_ascii_whitespace() || b",:{}[]\"".contains(byte);
    let rest = bytes.get(start + 1..).unwrap_or_default();
    start + 1 + rest.iter().position(ends).unwrap_or(rest.len())
}
