//! The lines of standard output, parsed as strictly as a script could.

/// What a training run printed.
#[derive(Clone, Debug, PartialEq)]
pub struct Results {
    /// Iterations and their costs, in the order of printing.
    pub costs: Vec<(u64, f64)>,
    /// The share of training examples classified rightly.
    pub train_accuracy: f64,
    /// The same of the test examples, if there are any.
    pub test_accuracy: Option<f64>,
    /// `blake3:` and 64 hexadecimal digits.
    pub digest: String,
}

impl Results {
    /// Parses all of a standard output.
    ///
    /// # Panics
    ///
    /// If a line has another form, stands at another place, or is missing.
    pub fn parse(stdout: &str) -> Self {
        assert!(stdout.ends_with('\n'), "the last line has an end: {stdout:?}");
        let mut lines = stdout.lines().peekable();
        let mut costs = Vec::new();
        while let Some(line) = lines.next_if(|line| line.starts_with("Cost")) {
            costs.push(cost(line).unwrap_or_else(|| panic!("found {line:?}, expected a cost line")));
        }
        let train_accuracy = lines.next().and_then(|line| share(line, "Train accuracy: "));
        let test_accuracy = lines
            .next_if(|line| line.starts_with("Test"))
            .map(|line| share(line, "Test accuracy: ").unwrap_or_else(|| panic!("found {line:?}")));
        let digest = lines.next().and_then(digest);
        assert_eq!(lines.next(), None, "the digest is the last line");
        Self {
            costs,
            train_accuracy: train_accuracy.expect("a line of train accuracy follows the costs"),
            test_accuracy,
            digest: digest.expect("a line with the digest follows the accuracies"),
        }
    }
}

/// `Cost after iteration 0: 0.7717493284237686`
fn cost(line: &str) -> Option<(u64, f64)> {
    let (iteration, cost) = line.strip_prefix("Cost after iteration ")?.split_once(": ")?;
    let number: u64 = iteration.parse().ok()?;
    (number.to_string() == iteration).then_some((number, shortest(cost)?))
}

/// `Train accuracy: 0.9856459330143541`
fn share(line: &str, name: &str) -> Option<f64> {
    shortest(line.strip_prefix(name)?).filter(|share| (0.0..=1.0).contains(share))
}

/// `Parameters digest: blake3:…`
fn digest(line: &str) -> Option<String> {
    let digest = line.strip_prefix("Parameters digest: ")?;
    let digits = digest.strip_prefix("blake3:")?;
    let hexadecimal = |digit: char| matches!(digit, '0'..='9' | 'a'..='f');
    (digits.len() == 64 && digits.chars().all(hexadecimal)).then(|| digest.to_owned())
}

/// A finite number in its shortest form, of f64 or of f32.
fn shortest(text: &str) -> Option<f64> {
    let number: f64 = text.parse().ok()?;
    let is_shortest = format!("{number:?}") == text || format!("{:?}", number as f32) == text;
    (number.is_finite() && is_shortest).then_some(number)
}
