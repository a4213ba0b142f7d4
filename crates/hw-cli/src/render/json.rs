//! JSON for people: the text that came, with line ends and blanks. Numbers, order and escapes stay as they were sent.

/// `text` with two blanks for each level. Texts that are not JSON come out as some text, without a panic.
pub(crate) fn pretty(text: &str) -> String {
    let mut printer = Printer::default();
    for c in text.trim().chars() {
        printer.take(c);
    }
    printer.out
}

#[derive(Default)]
struct Printer {
    out: String,
    depth: usize,
    in_string: bool,
    escaped: bool,
    /// An opening bracket was the last thing: an empty pair stays on one line.
    opened: bool,
}

impl Printer {
    fn take(&mut self, c: char) {
        if self.in_string {
            return self.take_in_string(c);
        }
        match c {
            ' ' | '\t' | '\n' | '\r' => {}
            '}' | ']' => self.close(c),
            _ => {
                if self.opened {
                    self.opened = false;
                    self.new_line();
                }
                self.take_token(c);
            }
        }
    }

    fn take_in_string(&mut self, c: char) {
        self.out.push(c);
        match (self.escaped, c) {
            (true, _) => self.escaped = false,
            (false, '\\') => self.escaped = true,
            (false, '"') => self.in_string = false,
            (false, _) => {}
        }
    }

    fn take_token(&mut self, c: char) {
        self.out.push(c);
        match c {
            '"' => self.in_string = true,
            '{' | '[' => {
                self.depth += 1;
                self.opened = true;
            }
            ',' => self.new_line(),
            ':' => self.out.push(' '),
            _ => {}
        }
    }

    fn close(&mut self, c: char) {
        self.depth = self.depth.saturating_sub(1);
        match self.opened {
            true => self.opened = false,
            false => self.new_line(),
        }
        self.out.push(c);
    }

    fn new_line(&mut self) {
        self.out.push('\n');
        self.out.extend(std::iter::repeat_n("  ", self.depth));
    }
}

/// `text` on one line. The blanks between its parts are dropped.
pub(crate) fn compact(text: &str) -> String {
    let mut in_string = false;
    let mut escaped = false;
    let keep = |c: &char| {
        let keep = in_string || !c.is_ascii_whitespace();
        match (escaped, c) {
            (true, _) => escaped = false,
            (false, '\\') => escaped = in_string,
            (false, '"') => in_string = !in_string,
            (false, _) => {}
        }
        keep
    };
    text.chars().filter(keep).collect()
}
