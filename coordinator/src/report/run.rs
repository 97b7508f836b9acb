//! `report.html`: the page of a training run.

use maud::{Markup, html};

use super::chart::cost_curve;
use super::gallery::gallery;
use super::numbers::{duration, four_digits, grouped, milliseconds};
use super::page::{KeyFigure, document, facts, key_figures};
use super::{Fleet, RunReport};

/// The page of a training run.
pub fn run_page(report: &RunReport<'_>) -> String {
    let training = &report.training;
    let content = html! {
        (key_figures(&figures(report), &report.digest))
        section {
            h2 { "Cost" }
            (cost_curve(report.costs, training.learning_rate, training.precision.parameters()))
        }
        div.tables {
            (configuration(report))
            (data(report))
            (timing(report))
        }
        @if let Some(test) = &report.test {
            (gallery(&test.evaluation, test.data.columns, "test examples"))
        }
    };
    let summary = format!(
        "{} network, {} iterations on {} examples of {}",
        report.sizes,
        grouped(training.iterations),
        grouped(report.train.columns),
        report.train.source,
    );
    document("Training run", &summary, &content, report.version)
}

fn figures(report: &RunReport<'_>) -> Vec<KeyFigure> {
    let cost = report.costs.last().map(|&(_, cost)| cost);
    let real_type = report.training.precision.parameters();
    let mut figures = vec![
        KeyFigure {
            name: "Final cost",
            value: cost.map_or("–".to_owned(), four_digits),
            detail: match cost {
                None => "no iteration was made".to_owned(),
                Some(cost) if cost.is_finite() => real_type.format(cost),
                Some(_) => "not a finite number".to_owned(),
            },
        },
        KeyFigure::accuracy("Train accuracy", report.train_accuracy, report.train.columns),
    ];
    if let Some(test) = &report.test {
        let accuracy = test.evaluation.accuracy;
        figures.push(KeyFigure::accuracy("Test accuracy", accuracy, test.data.columns));
    }
    figures
}

fn configuration(report: &RunReport<'_>) -> Markup {
    let training = &report.training;
    facts(
        "Configuration",
        &[
            ("Layer sizes", report.sizes.to_string()),
            ("Parameters", grouped(report.sizes.parameters())),
            ("Precision", training.precision.to_string()),
            ("Initialisation", training.initialisation.to_string()),
            ("Seed", training.seed.to_string()),
            ("Learning rate", format!("{:?}", training.learning_rate)),
            ("Iterations", grouped(training.iterations)),
            ("Block columns", grouped(training.block_columns.get())),
            ("Blocks", grouped(training.blocks)),
        ],
    )
}

fn data(report: &RunReport<'_>) -> Markup {
    let mut rows = vec![
        ("Train data", report.train.source.to_owned()),
        ("Train examples, m", grouped(report.train.columns)),
    ];
    if let Some(test) = &report.test {
        rows.push(("Test data", test.data.source.to_owned()));
        rows.push(("Test examples, m", grouped(test.data.columns)));
    }
    rows.push(("Features, n₀", grouped(report.sizes.features())));
    rows.push(("Element type", report.element_type.to_string()));
    rows.push(("Scale", scale(report.scale)));
    facts("Data", &rows)
}

/// The factor as a person would write it.
fn scale(factor: f64) -> String {
    if factor == 1.0 / 255.0 {
        "1/255".to_owned()
    } else if factor == 1.0 {
        "none".to_owned()
    } else {
        format!("{factor:?}")
    }
}

fn timing(report: &RunReport<'_>) -> Markup {
    let timing = &report.timing;
    let (place, threads) = match report.fleet {
        Fleet::InProcess { threads } => ("in the coordinator’s process".to_owned(), threads),
        Fleet::Workers { workers, threads } => (counted(workers, "worker process", "worker processes"), threads),
    };
    facts(
        "Timing",
        &[
            ("Trained by", place),
            ("Threads", grouped(threads)),
            ("Time per iteration", milliseconds(timing.milliseconds_per_iteration)),
            ("Training", duration(timing.training)),
            ("Start-up", duration(timing.start_up)),
            ("Total", duration(timing.total)),
        ],
    )
}

fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{} {}", grouped(count), if count == 1 { one } else { many })
}
