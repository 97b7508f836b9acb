//! What all pages are made of: the frame, the key figures, the digest and the tables.

use maud::{DOCTYPE, Markup, PreEscaped, html};
use shared::Digest;

use super::numbers::{grouped, percent};

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");

/// Nothing may be loaded from outside, whatever a page contains.
const POLICY: &str = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/// One figure that a reader wants first.
pub(super) struct KeyFigure {
    /// What it is.
    pub(super) name: &'static str,
    /// Its value in few digits.
    pub(super) value: String,
    /// Its value in all digits, or a remark.
    pub(super) detail: String,
}

impl KeyFigure {
    /// The share of `columns` examples that are labelled rightly.
    pub(super) fn accuracy(name: &'static str, accuracy: f64, columns: usize) -> Self {
        let right = (accuracy * columns as f64).round() as usize;
        Self {
            name,
            value: percent(accuracy),
            detail: format!("{accuracy:?} ({} of {})", grouped(right), grouped(columns)),
        }
    }
}

/// A whole page: `heading` and `summary` at its head, then `content`.
pub(super) fn document(heading: &str, summary: &str, content: &Markup, version: &str) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (heading) ": " (summary) }
                link rel="icon" href="data:,";
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    h1 { (heading) }
                    p { (summary) }
                }
                main { (content) }
                footer { "Written by Lockstep " (version) "." }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    page.into_string()
}

/// The figures that a reader wants first, and the digest.
pub(super) fn key_figures(figures: &[KeyFigure], digest: &Digest) -> Markup {
    html! {
        div.figures {
            @for figure in figures {
                div.card {
                    h2 { (figure.name) }
                    p.value { (figure.value) }
                    p.detail { (figure.detail) }
                }
            }
            div.card.digest {
                h2 { "Parameters digest" }
                p {
                    code #digest { (digest) }
                    " "
                    button type="button" data-copies="digest" hidden { "Copy" }
                }
                p.detail { "Two runs agree in every bit if and only if their digests agree." }
            }
        }
    }
}

/// A table of facts: names and values.
pub(super) fn facts(heading: &str, rows: &[(&str, String)]) -> Markup {
    html! {
        section.facts {
            h2 { (heading) }
            table {
                @for (name, value) in rows {
                    tr {
                        th scope="row" { (name) }
                        // A long path is broken behind a slash rather than inside a name.
                        td { @for part in value.split_inclusive('/') { (part) wbr; } }
                    }
                }
            }
        }
    }
}
