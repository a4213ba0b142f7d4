//! Paper that grows downwards, and the few marks that are made on it.

use unicode_width::UnicodeWidthChar as _;

use crate::markup::{Markup, visible};

/// Units from the left edge to the right one.
pub(crate) const WIDTH: f64 = 960.0;
/// Units that stay free on every side.
pub(crate) const MARGIN: f64 = 24.0;
/// Units between the margins.
pub(crate) const INNER: f64 = WIDTH - 2.0 * MARGIN;
/// Right end of what is drawn.
pub(crate) const RIGHT: f64 = WIDTH - MARGIN;
/// Most characters of a text that is shortened: some take no width at all.
const CHARACTERS_MAX: usize = 240;

/// A drawing under way.
pub(crate) struct Canvas {
    pub(crate) body: Markup,
    /// Where the next part begins.
    pub(crate) y: f64,
}

/// Which end of a text is at its place.
#[derive(Clone, Copy)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

/// How a text looks.
#[derive(Clone, Copy)]
pub(crate) struct Look {
    /// Class of the style sheet.
    class: &'static str,
    /// Height in units.
    size: f64,
}

pub(crate) const TITLE: Look = Look {
    class: "hw-title",
    size: 20.0,
};
pub(crate) const HEAD: Look = Look {
    class: "hw-head",
    size: 15.0,
};
pub(crate) const INK: Look = Look {
    class: "hw-ink",
    size: 13.0,
};
pub(crate) const FAINT: Look = Look {
    class: "hw-faint",
    size: 12.0,
};
pub(crate) const TINY: Look = Look {
    class: "hw-tiny",
    size: 10.5,
};

impl Canvas {
    pub(crate) fn new() -> Self {
        Self {
            body: Markup::default(),
            y: MARGIN,
        }
    }

    /// The heading of a part, on its own line.
    pub(crate) fn head(&mut self, text: &str) {
        self.y += 20.0;
        self.fitted(MARGIN, 15.0, HEAD, INNER, text);
        self.y += 26.0;
    }

    /// A line of small text.
    pub(crate) fn remark(&mut self, text: &str) {
        self.fitted(MARGIN, 12.0, FAINT, INNER, text);
        self.y += 20.0;
    }

    /// A short text of our own; `down` counts from the begin of the part to the foot of the text.
    pub(crate) fn text(&mut self, x: f64, down: f64, look: Look, anchor: Anchor, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let (x, y) = (place(x), place(self.y + down));
        let attributes = [
            ("x", x.as_str()),
            ("y", y.as_str()),
            ("class", look.class),
            ("text-anchor", anchor),
        ];
        self.body.element("text", &attributes, text);
    }

    /// A text that may be of any length: shortened to `width`, with the whole of it as a tip.
    pub(crate) fn fitted(&mut self, x: f64, down: f64, look: Look, width: f64, text: &str) {
        let shown = fit(text, look.size, width);
        let is_whole = shown == visible(text);
        if !is_whole {
            self.body.open("g", &[]);
            self.body.element("title", &[], text);
        }
        self.text(x, down, look, Anchor::Start, &shown);
        if !is_whole {
            self.body.close("g");
        }
    }

    /// A filled box with a tip. Nothing for one without width or height.
    pub(crate) fn bar(&mut self, bounds: Bounds, class: &'static str, tip: &str) {
        if bounds.width <= 0.0 || bounds.height <= 0.0 {
            return;
        }
        let (x, y) = (place(bounds.x), place(self.y + bounds.down));
        let (width, height) = (place(bounds.width), place(bounds.height));
        let attributes = [
            ("x", x.as_str()),
            ("y", y.as_str()),
            ("width", width.as_str()),
            ("height", height.as_str()),
            ("class", class),
        ];
        if tip.is_empty() {
            return self.body.leaf("rect", &attributes);
        }
        self.body.open("rect", &attributes);
        self.body.element("title", &[], tip);
        self.body.close("rect");
    }
}

/// A box, its upper edge counted from the begin of the part.
#[derive(Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) x: f64,
    pub(crate) down: f64,
    pub(crate) width: f64,
    pub(crate) height: f64,
}

/// Length of a bar for a share of `whole`: what stands for something can be seen.
pub(crate) fn length(share: Option<f64>, whole: f64) -> f64 {
    match share {
        Some(share) if share > 0.0 => (share.min(1.0) * whole).max(2.0),
        _ => 0.0,
    }
}

/// A coordinate without more digits than it needs.
pub(crate) fn place(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
}

/// `text` as it will be seen, shortened to `width` units.
fn fit(text: &str, size: f64, width: f64) -> String {
    let text = visible(text);
    let whole: f64 = text.chars().map(|c| width_of(c) * size).sum();
    if whole <= width && text.chars().nth(CHARACTERS_MAX).is_none() {
        return text;
    }
    let mut left = width - size;
    let kept = text.chars().take(CHARACTERS_MAX).take_while(|c| {
        left -= width_of(*c) * size;
        left >= 0.0
    });
    kept.chain(['…']).collect()
}

/// About how wide a character is, as a part of its height; rather too much than too little, as the font is not known.
fn width_of(c: char) -> f64 {
    match c {
        'm' | 'w' | 'M' | 'W' | '@' | '%' => 1.0,
        'i' | 'j' | 'l' | 'I' | '.' | ',' | ':' | ';' | '\'' | '|' | '!' | ' ' => 0.36,
        'A'..='Z' => 0.74,
        ' '..='~' => 0.64,
        c => match c.width() {
            Some(0) | None => 0.0,
            Some(1) => 0.72,
            Some(_) => 1.1,
        },
    }
}
