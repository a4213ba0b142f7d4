//! The page: the drawing, and every figure as a table.

use crate::Picture;
use crate::markup::Markup;
use crate::svg;
use crate::table::{Table, tables};

/// Nothing may be loaded or run: the page is complete in itself.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";

const STYLE: &str = "
:root { color-scheme: light dark; }
body { margin: 0; background: #ffffff; color: #1b1f24; font: 15px/1.5 system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif; }
main { max-width: 60rem; margin: 0 auto; padding: 1.5rem; }
figure { margin: 0 0 1.5rem; }
figure svg { display: block; width: 100%; height: auto; }
.wide { overflow-x: auto; margin: 0 0 1.75rem; }
table { border-collapse: collapse; }
caption { text-align: left; font-weight: 600; padding: 0 0 .4rem; }
th, td { padding: .25rem .8rem; border-bottom: 1px solid #d0d7de; text-align: right; vertical-align: top; white-space: nowrap; }
th { font-weight: 600; }
tbody th { font-weight: 400; white-space: normal; overflow-wrap: anywhere; min-width: 12rem; }
th:first-child { text-align: left; padding-left: 0; }
@media (prefers-color-scheme: dark) {
body { background: #12161b; color: #e9edf1; }
th, td { border-color: #30363d; }
}
";

pub(crate) fn page(picture: &Picture<'_>) -> String {
    let mut page = Markup::default();
    page.own("<!DOCTYPE html>\n");
    page.open("html", &[("lang", "en")]);
    page.open("head", &[]);
    page.leaf("meta", &[("charset", "utf-8")]);
    page.leaf("meta", &[("name", "viewport"), ("content", "width=device-width")]);
    page.leaf(
        "meta",
        &[("http-equiv", "Content-Security-Policy"), ("content", POLICY)],
    );
    page.element("title", &[], &picture.heading());
    page.open("style", &[]);
    page.own(STYLE);
    page.close("style");
    page.close("head");
    page.open("body", &[]);
    page.open("main", &[]);
    page.open("figure", &[]);
    page.append(&svg::draw(picture));
    page.close("figure");
    page.element("h1", &[], "The figures");
    page.element("p", &[], &picture.summary());
    if let Some(conversion) = picture.conversion() {
        page.element("p", &[], &conversion);
    }
    for table in tables(picture) {
        write(&mut page, &table);
    }
    page.close("main");
    page.close("body");
    page.close("html");
    page.into_string()
}

fn write(page: &mut Markup, table: &Table) {
    // Whoever has no mouse must be able to move what is wider than the page.
    page.open("div", &[("class", "wide"), ("tabindex", "0")]);
    page.open("table", &[]);
    page.element("caption", &[], &table.caption);
    page.open("thead", &[]);
    page.open("tr", &[]);
    for head in &table.heads {
        page.element("th", &[("scope", "col")], head);
    }
    page.close("tr");
    page.close("thead");
    page.open("tbody", &[]);
    for row in &table.rows {
        page.open("tr", &[]);
        for (at, cell) in row.iter().enumerate() {
            match at {
                0 => page.element("th", &[("scope", "row")], cell),
                _ => page.element("td", &[], cell),
            }
        }
        page.close("tr");
    }
    page.close("tbody");
    page.close("table");
    page.close("div");
}
