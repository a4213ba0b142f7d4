//! The drawing: one part below the other, each in a file of its own.

mod breakdown;
mod comparison;
mod steps;
mod times;

use crate::Picture;
use crate::canvas::{Canvas, FAINT, INNER, MARGIN, TITLE, WIDTH, place};
use crate::figures::{counted, percent};
use crate::markup::Markup;

/// Ground and ink are given for both; colours keep a contrast of at least 4.5 to 1 to what they stand on where they are
/// text, and 3 to 1 where they are bars. No colour says anything that a text does not say as well.
const STYLE: &str = "
text { font-family: system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif; }
.hw-ground { fill: #ffffff; }
.hw-title { font-size: 20px; font-weight: 600; fill: #1b1f24; }
.hw-head { font-size: 15px; font-weight: 600; fill: #1b1f24; }
.hw-ink { font-size: 13px; fill: #1b1f24; }
.hw-faint { font-size: 12px; fill: #57606a; }
.hw-tiny { font-size: 10.5px; fill: #57606a; }
.hw-bar { fill: #1f6fb2; }
.hw-lost { fill: #a9c8e6; }
.hw-track { fill: #eceff2; }
.hw-rest { fill: #b35900; }
.hw-line { fill: #8c959f; }
@media (prefers-color-scheme: dark) {
.hw-ground { fill: #12161b; }
.hw-title, .hw-head, .hw-ink { fill: #e9edf1; }
.hw-faint, .hw-tiny { fill: #a3adb8; }
.hw-bar { fill: #58a6e8; }
.hw-lost { fill: #2d4d6b; }
.hw-track { fill: #232a32; }
.hw-rest { fill: #e69138; }
.hw-line { fill: #6e7781; }
}
";

/// A complete document.
pub(crate) fn draw(picture: &Picture<'_>) -> Markup {
    let mut canvas = Canvas::new();
    opening(&mut canvas, picture);
    if let Some(funnel) = &picture.result.funnel {
        let names = picture.step_names();
        steps::draw(&mut canvas, &funnel.sequence, &names);
        times::draw(&mut canvas, &funnel.sequence, &names);
        breakdown::draw(&mut canvas, &picture.breakdown_title(), &funnel.breakdown, &names);
    }
    if let Some(compare) = &picture.result.compare {
        comparison::draw(&mut canvas, compare);
    }
    enclose(&canvas, picture)
}

fn opening(canvas: &mut Canvas, picture: &Picture<'_>) {
    canvas.fitted(MARGIN, 20.0, TITLE, INNER, &picture.heading());
    canvas.y += 32.0;
    canvas.fitted(MARGIN, 12.0, FAINT, INNER, &picture.summary());
    canvas.y += 20.0;
    if let Some(conversion) = picture.conversion() {
        canvas.remark(&conversion);
    }
}

fn enclose(canvas: &Canvas, picture: &Picture<'_>) -> Markup {
    let (width, height) = (place(WIDTH), place(canvas.y + MARGIN));
    let view = format!("0 0 {width} {height}");
    let mut markup = Markup::default();
    markup.open(
        "svg",
        &[
            ("xmlns", "http://www.w3.org/2000/svg"),
            ("viewBox", &view),
            ("width", &width),
            ("height", &height),
            ("role", "img"),
            ("aria-labelledby", "hw-picture-title hw-picture-text"),
        ],
    );
    markup.element("title", &[("id", "hw-picture-title")], &picture.heading());
    markup.element("desc", &[("id", "hw-picture-text")], &in_words(picture));
    markup.open("style", &[]);
    markup.own(STYLE);
    markup.close("style");
    markup.leaf(
        "rect",
        &[("class", "hw-ground"), ("width", &width), ("height", &height)],
    );
    markup.append(&canvas.body);
    markup.close("svg");
    markup
}

/// What the drawing shows, for those who cannot see it.
fn in_words(picture: &Picture<'_>) -> String {
    let mut words = format!("{}.", picture.summary());
    let sequence = picture.result.funnel.as_ref().map(|funnel| funnel.sequence.as_slice());
    let first = sequence.and_then(<[_]>::first).map_or(0, |step| step.matching_groups);
    let mut before = first;
    for (step, name) in sequence.unwrap_or_default().iter().zip(picture.step_names()) {
        let groups = step.matching_groups;
        words.push_str(&format!(
            " Step {name}: {}, {} of the step before, {} of the first.",
            counted(groups, "group"),
            percent(groups, before),
            percent(groups, first)
        ));
        before = groups;
    }
    words
}
