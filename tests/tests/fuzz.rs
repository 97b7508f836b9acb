//! Millions of inputs as nobody should send them. `make fuzz` goes on for longer, from another seed every time.

use tests::fuzz::{Inputs, Target};

const SEED: u64 = 1;

/// How many inputs each target gets.
const INPUTS: [(&str, u64); 7] = [
    ("conversions", 1_000_000),
    ("framing", 500_000),
    ("calls", 500_000),
    ("engine", 2_000_000),
    ("session", 1_000_000),
    ("checkpoints", 200_000),
    ("tokens", 200_000),
];

#[test]
fn millions_of_inputs_make_nothing_panic_and_nobody_honest_suffer() {
    let mut inputs = Inputs::default();
    for (name, least) in INPUTS {
        let target = Target::named(name).expect("there is such a target");
        if let Err(finding) = target.run(SEED, 0, least, &mut inputs) {
            panic!("{finding}\n{}", finding.hint());
        }
    }
    assert!(inputs.given() >= 1_000_000, "only {} inputs", inputs.given());
}
