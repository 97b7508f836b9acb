//! Tests of the module above.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::engine::Noticed;
use proptest::prelude::*;
use proto::tensor::encode;
use shared::dataset::demo;
use shared::reference::{Batch, node_sum, train};
use shared::{BlockColumns, Columns, Initialisation, LayerSizes};

fn descent<G>(parameters: &Parameters<f64>, tree: &Tree, scale: f64, learning_rate: f64) -> Descent<f64, G> {
    Descent {
        parameters: parameters.clone(),
        tree: tree.clone(),
        scale,
        learning_rate,
        source: SumSource::Workers(Arc::new(demo::train())),
        encoded: encode(parameters.values().to_vec()),
    }
}

/// Keeps a node's sums as they come over the wire.
fn keep(trainer: &mut Trainer<f64, f64>, worker: u32, node: LeafRange, sums: Vec<f64>) {
    for chunk in proto::tensor::chunks(&encode(sums), 8) {
        let iteration = Iteration(0);
        trainer.keep(WorkerId(worker), &SumChunk { iteration, node, chunk });
    }
}

fn answers(node: LeafRange, workers: &[u32]) -> NodeAnswers {
    NodeAnswers {
        node,
        workers: workers.iter().map(|&worker| WorkerId(worker)).collect(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn any_split_and_order_of_arrival_gives_the_oracles_bits(
        m in 1_usize..80, cuts in prop::collection::vec(0_usize..10, 0..5), seed in any::<u32>(), reverse in any::<bool>(),
    ) {
        let sizes = LayerSizes::new(vec![700, 13, 1]).unwrap();
        let tree = Tree::over_batch(m, BlockColumns::new(8).unwrap()).unwrap();
        let x = Columns::new(700, shared::element::Values::U8((0..700 * m).map(|i| (i * 31 % 256) as u8).collect())).unwrap();
        let labels: Vec<u8> = (0..m).map(|j| (j % 2) as u8).collect();
        let (scale, learning_rate) = (1.0 / 255.0, 0.05);
        let parameters = Initialisation::Scaled.parameters::<f64>(&sizes, seed);
        let batch = Batch { x: &x, labels: &labels, scale, tree: &tree };

        let mut bounds: Vec<u32> = cuts.iter().map(|cut| (cut % tree.leaves()) as u32).collect();
        bounds.extend([0, tree.leaves() as u32]);
        bounds.sort_unstable();
        let shards = bounds.windows(2).filter_map(|pair| LeafRange::new(pair[0], pair[1]));
        let mut nodes: Vec<_> = shards.flat_map(|shard| tree.maximal_nodes(shard)).collect();
        if reverse {
            nodes.reverse();
        }
        let mut trainer = Trainer::new(descent(&parameters, &tree, scale, learning_rate));
        for &node in &nodes {
            keep(&mut trainer, 0, node, node_sum(&parameters, batch, node).into_values());
        }
        // Somebody who left in the middle of a node does not count.
        trainer.keep(WorkerId(9), &SumChunk {
            iteration: Iteration(0),
            node: tree.root(),
            chunk: proto::TensorChunk { offset: 0, data: encode(vec![1.0_f64; 7]) },
        });
        let answers = nodes.iter().map(|&node| answers(node, &[0])).collect();
        let updated = trainer.update(Iteration(0), answers).unwrap();
        let mut expected = parameters;
        let costs = train::<_, f64>(&mut expected, batch, learning_rate, 1);
        prop_assert_eq!(updated.cost, costs[0]);
        prop_assert!(trainer.kept.is_empty());
        prop_assert_eq!(trainer.into_parameters().digest(), expected.digest());
        let sent: Vec<f64> = proto::tensor::decode(&updated.parameters).collect();
        prop_assert_eq!(sent.as_slice(), expected.values());
    }
}

type NodeSums = Vec<(LeafRange, Vec<f64>)>;

/// Both halves of the built-in images, and a network for them.
fn images() -> (Parameters<f64>, Tree, NodeSums) {
    let dataset = demo::train();
    let sizes = LayerSizes::new(vec![dataset.features(), 3, 1]).unwrap();
    let parameters = Initialisation::Scaled.parameters::<f64>(&sizes, 1);
    let tree = Tree::over_batch(dataset.m(), BlockColumns::new(128).unwrap()).unwrap();
    let (left, right) = tree.halves(tree.root()).unwrap();
    let sums = [left, right].map(|node| (node, sums_of(&parameters, &tree, node)));
    (parameters, tree, sums.into())
}

/// The built-in images' sums of one node.
fn sums_of(parameters: &Parameters<f64>, tree: &Tree, node: LeafRange) -> Vec<f64> {
    let dataset = demo::train();
    let x = dataset.columns(0..dataset.m()).unwrap();
    let batch = Batch {
        x: &x,
        labels: dataset.labels().unwrap(),
        scale: 1.0 / 255.0,
        tree,
    };
    node_sum(parameters, batch, node).into_values()
}

/// The parameters after an update in which worker 0 answers for both halves, and worker 1 for the second as well, after
/// `change` has been made to a worker's sums of the second half; and the sums that were found wrong.
fn update_with(change: impl Fn(u32, &mut [f64]), second_opinion: bool) -> (shared::Digest, Vec<WrongSums>) {
    let (parameters, tree, sums) = images();
    let mut trainer = Trainer::new(descent(&parameters, &tree, 1.0 / 255.0, 0.01));
    let workers: &[u32] = if second_opinion { &[0, 1] } else { &[0] };
    keep(&mut trainer, 0, sums[0].0, sums[0].1.clone());
    for &worker in workers {
        let mut numbers = sums[1].1.clone();
        change(worker, &mut numbers);
        keep(&mut trainer, worker, sums[1].0, numbers);
    }
    let answers = vec![answers(sums[0].0, &[0]), answers(sums[1].0, workers)];
    let updated = trainer.update(Iteration(0), answers).unwrap();
    (trainer.into_parameters().digest(), updated.wrong)
}

#[test]
fn one_wrong_bit_is_found_by_a_second_opinion_and_does_not_count() {
    let (right, none) = update_with(|_, _| {}, true);
    assert_eq!(none, []);
    for liar in [0, 1] {
        let flip = |worker, numbers: &mut [f64]| {
            if worker == liar {
                numbers[1234] = f64::from_bits(numbers[1234].to_bits() ^ 1);
            }
        };
        let (digest, wrong) = update_with(flip, true);
        assert_eq!(digest, right);
        let (worker, node) = (WorkerId(liar), images().2[1].0);
        let with = WorkerId(1 - liar);
        assert_eq!(
            wrong,
            [WrongSums {
                worker,
                node,
                noticed: Noticed::Audit { with }
            }]
        );
    }
}

/// A chunk's data that tell when nobody sees them any more.
struct Told(Bytes, Arc<AtomicUsize>);

impl AsRef<[u8]> for Told {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        self.1.fetch_sub(1, Ordering::Relaxed);
    }
}

#[test]
fn no_chunk_is_seen_any_more_after_the_update() {
    let (parameters, tree, sums) = images();
    let mut trainer = Trainer::<f64, f64>::new(descent(&parameters, &tree, 1.0 / 255.0, 0.01));
    let seen = Arc::new(AtomicUsize::new(0));
    let mut keep = |worker: u32, (node, numbers): &(LeafRange, Vec<f64>), chunks: usize| {
        for mut chunk in proto::tensor::chunks(&encode(numbers.clone()), 8).take(chunks) {
            seen.fetch_add(1, Ordering::Relaxed);
            chunk.data = Bytes::from_owner(Told(chunk.data, Arc::clone(&seen)));
            let (iteration, node) = (Iteration(0), *node);
            trainer.keep(WorkerId(worker), &SumChunk { iteration, node, chunk });
        }
    };
    // Both halves twice, and a worker that was lost after its first chunk.
    for worker in [0, 1] {
        sums.iter().for_each(|sum| keep(worker, sum, usize::MAX));
    }
    keep(2, &sums[0], 1);
    assert!(
        seen.load(Ordering::Relaxed) >= 5,
        "large chunks are seen where they lie"
    );
    let answers = sums.iter().map(|(node, _)| answers(*node, &[0, 1])).collect();
    trainer.update(Iteration(0), answers).unwrap();
    assert_eq!(seen.load(Ordering::Relaxed), 0);
}

#[test]
fn numbers_that_are_not_finite_are_computed_again() {
    let (right, _) = update_with(|_, _| {}, false);
    for bad in [f64::NAN, f64::INFINITY] {
        for place in [0, 1234, images().2[1].1.len() - 1] {
            let (digest, wrong) = update_with(|_, numbers| numbers[place] = bad, false);
            assert_eq!(digest, right);
            let (worker, node) = (WorkerId(0), images().2[1].0);
            assert_eq!(
                wrong,
                [WrongSums {
                    worker,
                    node,
                    noticed: Noticed::NotFinite
                }]
            );
        }
    }
}

#[test]
fn a_descent_that_diverges_is_nobodys_fault() {
    let (mut parameters, tree, _) = images();
    parameters.values_mut().iter_mut().for_each(|value| *value = 1e308);
    let sums = sums_of(&parameters, &tree, tree.root());
    let mut trainer = Trainer::new(descent(&parameters, &tree, 1.0 / 255.0, 0.01));
    keep(&mut trainer, 0, tree.root(), sums);
    let updated = trainer.update(Iteration(0), vec![answers(tree.root(), &[0])]).unwrap();
    assert!(!updated.cost.is_finite());
    assert_eq!(updated.wrong, []);
}

#[test]
fn in_a_mixed_run_the_gradient_that_is_sent_makes_the_same_parameters_elsewhere() {
    let (mut parameters, tree, _) = images();
    let dataset = demo::train();
    let x = dataset.columns(0..dataset.m()).unwrap();
    let (labels, scale, learning_rate) = (dataset.labels().unwrap(), 1.0 / 255.0, 0.01);
    let batch = Batch {
        x: &x,
        labels,
        scale,
        tree: &tree,
    };
    let mut trainer = Trainer::<f64, f32>::new(descent(&parameters, &tree, scale, learning_rate));
    let (left, right) = tree.halves(tree.root()).unwrap();
    for node in [left, right] {
        let sums = encode(node_sum::<f64, f32>(&parameters, batch, node).into_values());
        for chunk in proto::tensor::chunks(&sums, 4) {
            let iteration = Iteration(0);
            trainer.keep(WorkerId(0), &SumChunk { iteration, node, chunk });
        }
    }
    let answers = vec![answers(left, &[0]), answers(right, &[0])];
    let updated = trainer.update(Iteration(0), answers).unwrap();

    let gradient: Vec<f32> = proto::tensor::decode(&updated.gradient).collect();
    let mut elsewhere = parameters.clone();
    let rule = UpdateRule::new(parameters.sizes(), scale, dataset.m(), learning_rate);
    assert!(rule.apply_in_parallel(elsewhere.values_mut(), |range| &gradient[range]));
    let costs = train::<f64, f32>(&mut parameters, batch, learning_rate, 1);
    assert_eq!(updated.cost, costs[0]);
    assert_eq!(elsewhere.digest(), parameters.digest());
    assert_eq!(trainer.into_parameters().digest(), parameters.digest());
}
