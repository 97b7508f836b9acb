//! The cost curve as inline SVG.
//!
//! The `svg` element's box is the plot itself; labels stand outside it, in margins that the style sheet leaves. Places
//! are percentages of the box, so the curve follows the width of the page while text and strokes keep their sizes. The
//! curve is drawn in a nested `svg` of 1000 × 1000 units, since a `polyline` knows no percentages.

use std::fmt::Write;

use maud::{Markup, html};
use shared::RealType;

use super::axis::{Axis, Tick};
use super::numbers::grouped;
use super::thinning::thin;

/// The figure that shows `costs`: iterations, ascending, and the cost after each.
pub(super) fn cost_curve(costs: &[(u64, f64)], learning_rate: f64, real_type: RealType) -> Markup {
    let drawn = thin(costs);
    let Some(plot) = Plot::of(&drawn) else {
        return html! { p { "There is no finite cost to draw." } };
    };
    // The script shows these when the pointer is over the curve: one for every vertex, in the same order.
    let mut exact = String::new();
    for (iteration, cost) in plot.segments().flatten() {
        let _ = write!(exact, "{iteration}:{} ", real_type.format(*cost));
    }
    let not_finite = costs.iter().find(|(_, cost)| !cost.is_finite());
    html! {
        figure.chart data-costs=(exact.trim_end()) {
            (plot.svg(&format!("Learning rate = {learning_rate:?}"), not_finite.map(|(iteration, _)| *iteration)))
            figcaption {
                @if let Some((iteration, cost)) = plot.segments().flatten().last() {
                    p.readout { "Iteration " (grouped(*iteration)) ": cost " (real_type.format(*cost)) }
                }
                @if let Some((iteration, cost)) = not_finite {
                    p.bad {
                        "After iteration " (grouped(*iteration)) " the cost was " (cost) ", which is not finite."
                    }
                }
                @if drawn.len() < costs.len() {
                    p {
                        "Drawn from " (grouped(drawn.len())) " of " (grouped(costs.len()))
                        " costs, with every peak and trough; costs.csv holds all."
                    }
                }
            }
        }
    }
}

/// The points to draw, and the axes that hold them.
struct Plot<'a> {
    points: &'a [(u64, f64)],
    iterations: Axis,
    costs: Axis,
}

impl<'a> Plot<'a> {
    /// Returns `None` if no cost is finite.
    fn of(points: &'a [(u64, f64)]) -> Option<Self> {
        let finite = || points.iter().map(|point| point.1).filter(|cost| cost.is_finite());
        let (low, high) = (finite().reduce(f64::min)?, finite().reduce(f64::max)?);
        Some(Self {
            points,
            iterations: Axis::of_iterations(points.first()?.0, points.last()?.0),
            costs: Axis::of_costs(low, high),
        })
    }

    /// The unbroken parts of the curve: it breaks where a cost is not finite.
    fn segments(&self) -> impl Iterator<Item = &'a [(u64, f64)]> {
        self.points
            .split(|(_, cost)| !cost.is_finite())
            .filter(|segment| !segment.is_empty())
    }

    /// Where a point stands: shares of the plot's width from the left and of its height from the top.
    fn at(&self, (iteration, cost): (u64, f64)) -> (f64, f64) {
        (
            self.iterations.position(iteration as f64),
            1.0 - self.costs.position(cost),
        )
    }

    fn svg(&self, title: &str, not_finite: Option<u64>) -> Markup {
        let (iterations, costs) = (self.iterations.ticks(), self.costs.ticks());
        let widest = costs.iter().map(|tick| tick.label.chars().count()).max().unwrap_or(0);
        html! {
            svg.plot role="img" aria-label={ "Cost curve. " (title) } style={ "--label:" (widest) "ch" } {
                text.title x="50%" y="0" dy="-2.6em" { (title) }
                text.name x="0" y="0" dy="-1.2em" { "cost" }
                text.name x="50%" y="100%" dy="3.2em" text-anchor="middle" { "iterations" }
                @for tick in &costs { (cost_tick(tick)) }
                @for (number, tick) in iterations.iter().enumerate() {
                    (iteration_tick(tick, iterations.len() > 3 && number % 2 == 1))
                }
                @if let Some(iteration) = not_finite {
                    @let x = share(self.iterations.position(iteration as f64));
                    line.diverged x1=(x) x2=(x) y1="0" y2="100%" {}
                }
                svg viewBox="0 0 1000 1000" preserveAspectRatio="none" width="100%" height="100%" overflow="visible" {
                    @for segment in self.segments() {
                        polyline.curve points=(self.vertices(segment)) {}
                    }
                }
                @for end in self.segments().filter_map(<[_]>::last) {
                    @let (x, y) = self.at(*end);
                    circle.end cx=(share(x)) cy=(share(y)) r="4" {}
                }
                g.cursor hidden {
                    line y1="0" y2="100%" {}
                    circle r="5" {}
                }
            }
        }
    }

    fn vertices(&self, segment: &[(u64, f64)]) -> String {
        let mut vertices = String::new();
        for &point in segment {
            let (x, y) = self.at(point);
            let _ = write!(vertices, "{:.1},{:.1} ", 1e3 * x, 1e3 * y);
        }
        vertices.truncate(vertices.trim_end().len());
        vertices
    }
}

fn cost_tick(tick: &Tick) -> Markup {
    let y = share(1.0 - tick.position);
    html! {
        line.grid x1="0" x2="100%" y1=(y) y2=(y) {}
        text.tick x="-0.7em" y=(y) dy="0.35em" text-anchor="end" { (tick.label) }
    }
}

/// A narrow page has no room for the labels of ticks that are `dispensable`.
fn iteration_tick(tick: &Tick, dispensable: bool) -> Markup {
    let x = share(tick.position);
    html! {
        line.grid x1=(x) x2=(x) y1="0" y2="100%" {}
        text.tick.dispensable[dispensable] x=(x) y="100%" dy="1.5em" text-anchor="middle" { (tick.label) }
    }
}

/// `share` of 1 as a percentage.
fn share(share: f64) -> String {
    format!("{:.2}%", 100.0 * share)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(costs: &[(u64, f64)]) -> String {
        cost_curve(costs, 0.0075, RealType::F64).into_string()
    }

    /// The vertices of all parts of the curve.
    fn polylines(figure: &str) -> Vec<Vec<(f64, f64)>> {
        let number = |text: &str| text.parse::<f64>().unwrap();
        let vertex = |text: &str| text.split_once(',').map(|(x, y)| (number(x), number(y))).unwrap();
        figure
            .split("points=\"")
            .skip(1)
            .map(|rest| rest.split('"').next().unwrap().split(' ').map(vertex).collect())
            .collect()
    }

    #[test]
    fn the_axes_and_the_title_are_named() {
        let figure = figure(&[(0, 0.7), (100, 0.3)]);
        for name in [">iterations<", ">cost<", ">Learning rate = 0.0075<", ">0.6<", ">100<"] {
            assert!(figure.contains(name), "{name}");
        }
    }

    #[test]
    fn the_curve_goes_from_the_top_left_to_the_bottom_right() {
        let figure = figure(&[(0, 1.0), (50, 0.5), (100, 0.0)]);
        assert_eq!(polylines(&figure), [[(0.0, 0.0), (495.0, 500.0), (990.1, 1000.0)]]);
    }

    #[test]
    fn one_cost_is_drawn_as_a_dot_inside_the_plot() {
        let figure = figure(&[(0, 0.7)]);
        assert_eq!(polylines(&figure), [[(0.0, 500.0)]]);
        assert!(figure.contains("<circle class=\"end\" cx=\"0.00%\" cy=\"50.00%\""));
    }

    #[test]
    fn a_constant_cost_is_a_level_line() {
        for cost in [0.0, 1e-300, 0.5, f64::MAX] {
            let figure = figure(&[(0, cost), (10, cost)]);
            let [line] = &polylines(&figure)[..] else {
                panic!("{figure}")
            };
            assert_eq!(line[0].1, line[1].1);
            assert!(!figure.contains("NaN") && !figure.contains("inf"), "{figure}");
        }
    }

    #[test]
    fn a_cost_that_is_not_finite_breaks_the_curve_and_is_reported() {
        let figure = figure(&[(0, 0.7), (1, 0.9), (2, f64::INFINITY), (3, 0.8), (4, f64::NAN)]);
        let lengths: Vec<_> = polylines(&figure).iter().map(Vec::len).collect();
        assert_eq!(lengths, [2, 1]);
        assert!(figure.contains("After iteration 2 the cost was inf, which is not finite."));
        assert!(figure.contains("class=\"diverged\""));
        assert!(figure.contains("data-costs=\"0:0.7 1:0.9 3:0.8\""));
    }

    #[test]
    fn without_a_finite_cost_there_are_words_in_place_of_a_curve() {
        for costs in [&[][..], &[(0, f64::NAN)]] {
            assert!(figure(costs).contains("There is no finite cost to draw."));
        }
    }

    #[test]
    fn the_readout_has_one_exact_cost_for_every_vertex() {
        let costs: Vec<_> = (0..100_000).map(|t| (t, 1.0 / (t + 1) as f64)).collect();
        let figure = figure(&costs);
        let exact = figure.split("data-costs=\"").nth(1).unwrap().split('"').next().unwrap();
        assert_eq!(exact.split(' ').count(), polylines(&figure)[0].len());
        assert!(exact.starts_with("0:1.0 ") && exact.ends_with("99999:1e-5"));
        assert!(figure.contains(" of 100,000 costs"));
    }

    #[test]
    fn costs_of_single_precision_are_written_with_its_digits() {
        let figure = cost_curve(&[(0, f64::from(0.1_f32))], 0.1, RealType::F32).into_string();
        assert!(figure.contains("data-costs=\"0:0.1\""));
    }
}
