//! Whole pages.

use std::time::Duration;

use shared::element::Values;

use super::*;

const HOSTILE: &str = "<script>alert(1)</script>\" onload='x' &amp;";

fn sizes() -> LayerSizes {
    LayerSizes::binary_classifier(12, &[4]).unwrap()
}

fn evaluation<'a>(names: Option<&[String; 2]>, image: Option<Image<'a>>) -> Evaluation<'a> {
    let example = |index, class| MislabelledExample {
        index,
        prediction: class_name(names, 1 - class),
        class: class_name(names, class),
        image,
    };
    Evaluation {
        accuracy: 0.96,
        mislabelled: vec![example(7, 0), example(31, 1)],
    }
}

fn run<'a>(sizes: &'a LayerSizes, source: &'a str, test: Option<Evaluation<'a>>) -> RunReport<'a> {
    RunReport {
        sizes,
        training: Training {
            precision: Precision::F64,
            initialisation: Initialisation::Scaled,
            seed: 1,
            learning_rate: 0.0075,
            iterations: 2500,
            block_columns: BlockColumns::new(16).unwrap(),
            blocks: 14,
        },
        train: Data { source, columns: 209 },
        train_accuracy: 206.0 / 209.0,
        test: test.map(|evaluation| Test {
            data: Data { source, columns: 50 },
            evaluation,
        }),
        element_type: ElementType::U8,
        scale: 1.0 / 255.0,
        fleet: Fleet::Workers { workers: 4, threads: 8 },
        costs: &[(0, 0.7717493284237686), (2499, 0.088439943441702)],
        digest: Digest::from_bytes([0xab; 32]),
        timing: Timing {
            total: Duration::from_millis(14_250),
            start_up: Duration::from_millis(320),
            training: Duration::from_millis(13_900),
            milliseconds_per_iteration: 5.56,
        },
        version: "0.1.0",
    }
}

fn prediction<'a>(sizes: &'a LayerSizes, name: &'a str, evaluation: Option<Evaluation<'a>>) -> PredictionReport<'a> {
    PredictionReport {
        model: name,
        sizes,
        digest: Digest::from_bytes([0xab; 32]),
        data: Data {
            source: name,
            columns: 50,
        },
        evaluation,
        version: "0.1.0",
    }
}

fn names(names: [&str; 2]) -> [String; 2] {
    names.map(str::to_owned)
}

/// What a reader sees: the page without its style, its script and its tags.
fn visible(page: &str) -> String {
    let mut text = String::new();
    let body = page.split_once("<body>").unwrap().1.split_once("<script>").unwrap().0;
    for part in body.replace("<br>", "\n").split('<') {
        text.push_str(part.split_once('>').map_or(part, |(_, text)| text));
    }
    text
}

#[test]
fn a_mislabelled_example_has_the_two_lines_of_the_course() {
    let sizes = sizes();
    let columns = Columns::new(12, Values::U8((0..12).collect())).unwrap();
    let image = Image::of_column(&[2, 2, 3], &columns, 0);
    let evaluation = evaluation(Some(&names(["non-cat", "cat"])), image);
    let pages = [
        run_page(&run(&sizes, "test.h5", Some(evaluation.clone()))),
        prediction_page(&prediction(&sizes, "test.h5", Some(evaluation))),
    ];
    for page in pages {
        assert!(visible(&page).contains("Prediction: cat\nClass: non-cat"));
        assert!(visible(&page).contains("Prediction: non-cat\nClass: cat"));
        assert!(visible(&page).contains("2 of 50"));
        assert_eq!(page.matches("<img ").count(), 2);
    }
}

#[test]
fn classes_without_names_are_0_and_1() {
    let sizes = sizes();
    let page = run_page(&run(&sizes, "test.h5", Some(evaluation(None, None))));
    assert!(visible(&page).contains("Prediction: 1\nClass: 0"));
    assert!(visible(&page).contains("Prediction: 0\nClass: 1"));
    assert!(!page.contains("<img "));
}

#[test]
fn hostile_names_stay_text() {
    let sizes = sizes();
    let named = || Some(evaluation(Some(&names([HOSTILE, HOSTILE])), None));
    let pages = [
        run_page(&run(&sizes, HOSTILE, named())),
        prediction_page(&prediction(&sizes, HOSTILE, named())),
    ];
    for page in pages {
        // The page's own script alone, and no attribute of a name.
        assert_eq!(page.matches("<script").count(), 1);
        assert!(!page.contains("onload='x' &amp;<") && !page.contains("\" onload"));
        assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;&quot; onload='x' &amp;amp;"));
    }
}

#[test]
fn a_page_refers_to_nothing_outside() {
    let sizes = sizes();
    let columns = Columns::new(12, Values::U8((0..12).collect())).unwrap();
    let image = Image::of_column(&[2, 2, 3], &columns, 0);
    let labelled = evaluation(None, image);
    let pages = [
        run_page(&run(&sizes, "train.h5", Some(labelled.clone()))),
        prediction_page(&prediction(&sizes, "test.h5", Some(labelled))),
    ];
    for page in pages {
        for reference in [
            "http:",
            "https:",
            "url(",
            "@import",
            "<link rel=\"style",
            "<iframe",
            "<object",
            "<embed",
            "<base",
        ] {
            assert!(!page.contains(reference), "{reference}");
        }
        for (at, attribute) in page.match_indices("src=\"").chain(page.match_indices("href=\"")) {
            assert!(
                page[at + attribute.len()..].starts_with("data:"),
                "{}",
                &page[at..at + 40]
            );
        }
        assert!(page.contains("content=\"default-src 'none'; img-src data:; "));
    }
}

#[test]
fn the_report_of_a_run_holds_every_fact() {
    let sizes = sizes();
    let page = run_page(&run(&sizes, "cats.h5", Some(evaluation(None, None))));
    let text = visible(&page);
    let digest = Digest::from_bytes([0xab; 32]).to_string();
    for fact in [
        "Final cost0.088440.088439943441702",
        "Train accuracy98.56\u{202f}%0.9856459330143541 (206 of 209)",
        "Test accuracy96.00\u{202f}%0.96 (48 of 50)",
        &digest,
        "Two runs agree in every bit if and only if their digests agree.",
        "Learning rate = 0.0075",
        "Layer sizes12-4-1",
        "Parameters57",
        "Precisionf64",
        "Initialisationscaled",
        "Seed1",
        "Learning rate0.0075",
        "Iterations2,500",
        "Block columns16",
        "Blocks14",
        "Train datacats.h5",
        "Train examples, m209",
        "Test examples, m50",
        "Element typeu8",
        "Scale1/255",
        "Trained by4 worker processes",
        "Threads8",
        "Time per iteration5.560\u{202f}ms",
        "Training13.9\u{202f}s",
        "Start-up320.0\u{202f}ms",
        "Total14.2\u{202f}s",
        "Lockstep 0.1.0",
    ] {
        assert!(text.contains(fact), "{fact} in {text}");
    }
}

#[test]
fn a_run_without_test_data_says_nothing_about_it() {
    let sizes = sizes();
    let mut report = run(&sizes, "cats.h5", None);
    report.fleet = Fleet::InProcess { threads: 2 };
    let text = visible(&run_page(&report));
    assert!(!text.contains("Test") && !text.contains("Mislabelled"), "{text}");
    assert!(text.contains("Trained byin the coordinator’s process"));
}

#[test]
fn a_run_that_diverged_shows_its_last_cost() {
    let sizes = sizes();
    let mut report = run(&sizes, "cats.h5", None);
    report.costs = &[(0, 0.7), (1, f64::NAN)];
    let text = visible(&run_page(&report));
    assert!(text.contains("Final costNaNnot a finite number"));
    assert!(text.contains("After iteration 1 the cost was NaN, which is not finite."));
    report.costs = &[];
    assert!(visible(&run_page(&report)).contains("Final cost–no iteration was made"));
}

#[test]
fn a_prediction_without_labels_claims_no_accuracy() {
    let sizes = sizes();
    let text = visible(&prediction_page(&prediction(&sizes, "cats.h5", None)));
    assert!(text.contains("The data has no labels"));
    assert!(!text.contains('%') && !text.contains("Mislabelled"), "{text}");
}

#[test]
fn the_same_report_gives_the_same_page() {
    let sizes = sizes();
    let report = run(&sizes, "cats.h5", Some(evaluation(None, None)));
    assert_eq!(run_page(&report), run_page(&report));
}

#[test]
fn an_evaluation_holds_exactly_the_mistakes_each_with_its_own_picture() {
    let columns = Columns::new(4, Values::U8((0..16).collect())).unwrap();
    let names = names(["non-cat", "cat"]);
    let evaluation = Evaluation::new(&[0, 1, 1, 0], &[0, 0, 1, 1], Some(&names), &columns, &[2, 2]);
    let mistake = |index, prediction: &str, class: &str| MislabelledExample {
        index,
        prediction: prediction.to_owned(),
        class: class.to_owned(),
        image: Image::of_column(&[2, 2], &columns, index),
    };
    assert_eq!(evaluation.accuracy, 0.5);
    assert_eq!(
        evaluation.mislabelled,
        [mistake(1, "cat", "non-cat"), mistake(3, "non-cat", "cat")]
    );
    let pixels = evaluation.mislabelled[1].image.unwrap().pixels();
    assert_eq!(pixels, [12, 13, 14, 15]);
    let flat = Evaluation::new(&[1; 4], &[0, 1, 1, 1], None, &columns, &[4]);
    assert_eq!((flat.mislabelled.len(), flat.mislabelled[0].image), (1, None));
}
