//! The page of `coordinator predict --report`.

use maud::html;

use super::PredictionReport;
use super::gallery::gallery;
use super::numbers::grouped;
use super::page::{KeyFigure, document, facts, key_figures};

/// The page of a prediction.
pub fn prediction_page(report: &PredictionReport<'_>) -> String {
    let columns = report.data.columns;
    let accuracy = report
        .evaluation
        .as_ref()
        .map(|evaluation| KeyFigure::accuracy("Accuracy", evaluation.accuracy, columns));
    let content = html! {
        (key_figures(accuracy.as_slice(), &report.digest))
        div.tables {
            (facts("Model", &[
                ("File", report.model.to_owned()),
                ("Layer sizes", report.sizes.to_string()),
                ("Parameters", grouped(report.sizes.parameters())),
            ]))
            (facts("Data", &[
                ("File", report.data.source.to_owned()),
                ("Examples, m", grouped(columns)),
                ("Features, n₀", grouped(report.sizes.features())),
            ]))
        }
        @if let Some(evaluation) = &report.evaluation {
            (gallery(evaluation, columns, "examples"))
        } @else {
            section {
                p { "The data has no labels, so nothing can be said about the accuracy." }
            }
        }
    };
    let summary = format!(
        "{} network on {} examples of {}",
        report.sizes,
        grouped(columns),
        report.data.source
    );
    document("Prediction", &summary, &content, report.version)
}
