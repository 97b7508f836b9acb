//! The examples that a network labels wrongly, with their pictures.

use maud::{Markup, html};

use super::numbers::grouped;
use super::{Evaluation, Image, MislabelledExample};

/// The most mislabelled examples that a page shows.
pub const MOST_EXAMPLES: usize = 200;

/// The most bytes of pixels, before compression, that a page shows.
pub const MOST_PIXEL_BYTES: usize = 32 << 20;

/// The longer side of a picture on the page, in CSS pixels.
const SIDE: u32 = 128;

/// The section that shows which of `columns` examples, on the page called `examples`, are mislabelled.
pub(super) fn gallery(evaluation: &Evaluation<'_>, columns: usize, examples: &str) -> Markup {
    let mislabelled = &evaluation.mislabelled;
    let shown = &mislabelled[..shown(mislabelled)];
    let left_out = mislabelled.len() - shown.len();
    let images = mislabelled.iter().any(|example| example.image.is_some());
    html! {
        section {
            h2 { "Mislabelled " (if images { "images" } else { "examples" }) }
            @if mislabelled.is_empty() {
                p { "None of the " (grouped(columns)) " " (examples) " is mislabelled." }
            } @else {
                p {
                    (grouped(mislabelled.len())) " of " (grouped(columns)) " " (examples) "."
                    @if left_out > 0 {
                        " The first " (grouped(shown.len())) " are shown; " (grouped(left_out)) " are left out."
                    }
                }
                div.gallery {
                    @for example in shown {
                        (card(example))
                    }
                }
            }
        }
    }
}

/// How many of the mislabelled examples, from the first, fit on the page.
fn shown(mislabelled: &[MislabelledExample<'_>]) -> usize {
    let mut bytes = 0;
    mislabelled
        .iter()
        .take(MOST_EXAMPLES)
        .take_while(|example| {
            bytes += example.image.map_or(0, |image| image.pixels().len());
            bytes <= MOST_PIXEL_BYTES
        })
        .count()
}

fn card(example: &MislabelledExample<'_>) -> Markup {
    html! {
        figure.example {
            div.index { "No. " (grouped(example.index)) }
            @if let Some(image) = &example.image {
                (picture(image, example.index))
            }
            figcaption {
                "Prediction: " b { (example.prediction) }
                br;
                "Class: " b { (example.class) }
            }
        }
    }
}

/// The image, small ones enlarged by a whole number so that all of its pixels have one size.
fn picture(image: &Image<'_>, index: usize) -> Markup {
    let longer = image.width().max(image.height());
    let side = |pixels: u32| {
        if longer <= SIDE {
            pixels * (SIDE / longer)
        } else {
            (pixels * SIDE / longer).max(1)
        }
    };
    html! {
        img class=[(longer <= SIDE).then_some("pixels")] width=(side(image.width())) height=(side(image.height()))
            alt={ "Example " (index) } src=(image.data_uri());
    }
}

#[cfg(test)]
mod tests {
    use shared::Columns;
    use shared::element::Values;

    use super::*;

    fn examples(count: usize, image: Option<Image<'_>>) -> Evaluation<'_> {
        let mislabelled = (0..count)
            .map(|index| MislabelledExample {
                index,
                prediction: "cat".to_owned(),
                class: "non-cat".to_owned(),
                image,
            })
            .collect();
        Evaluation {
            accuracy: 0.5,
            mislabelled,
        }
    }

    fn text(evaluation: &Evaluation<'_>) -> String {
        gallery(evaluation, 1000, "test examples").into_string()
    }

    #[test]
    fn the_first_200_are_shown_and_the_rest_is_counted() {
        let page = text(&examples(512, None));
        assert_eq!(page.matches("<figure").count(), MOST_EXAMPLES);
        assert!(page.contains("512 of 1,000 test examples. The first 200 are shown; 312 are left out."));
        assert!(!text(&examples(200, None)).contains("left out"));
    }

    #[test]
    fn large_images_are_shown_only_as_long_as_the_page_stays_small() {
        let columns = Columns::new(1024 * 1024 * 4, Values::U8(vec![0; 1024 * 1024 * 4])).unwrap();
        let image = Image::of_column(&[1024, 1024, 4], &columns, 0);
        assert_eq!(shown(&examples(100, image).mislabelled), 8);
    }

    #[test]
    fn small_images_are_enlarged_by_whole_numbers_and_large_ones_shrunk() {
        let columns = Columns::new(1024, Values::U8(vec![0; 1024])).unwrap();
        for (shape, width, height, enlarged) in [
            ([16, 64], 128, 32, true),
            ([32, 32], 128, 128, true),
            ([1, 1024], 128, 1, false),
            ([4, 256], 128, 2, false),
        ] {
            let image = Image::of_column(&shape, &columns, 0).unwrap();
            let tag = picture(&image, 7).into_string();
            assert!(tag.contains(&format!("width=\"{width}\" height=\"{height}\"")), "{tag}");
            assert_eq!(tag.contains("class=\"pixels\""), enlarged, "{tag}");
        }
    }

    #[test]
    fn no_mistake_is_said_in_words() {
        assert!(text(&examples(0, None)).contains("None of the 1,000 test examples is mislabelled."));
    }
}
