//! Shares that follow the speeds of the workers.

use super::*;
use shared::numpy_random::NumpyRandom;

/// The nodes that were asked for, with the worker and the time at which its answer is there.
type Asked = Vec<(f64, u32, Blocks)>;

/// Drives `engine` through its iterations. `seconds_a_column` says how fast a worker is, each time that it is asked.
struct Drive<F> {
    engine: Engine,
    asked: Asked,
    /// Until when each worker computes.
    busy: [f64; 3],
    now: f64,
    seconds_a_column: F,
    /// The reports and assignments of the run, with the iteration.
    seen: Vec<(u64, Action)>,
}

impl<F: FnMut(u32) -> f64> Drive<F> {
    fn new(iterations: u64, seconds_a_column: F) -> Self {
        let config = EngineConfig {
            iterations,
            ..config_of_16_blocks(3)
        };
        Self::of(config, seconds_a_column)
    }

    fn of(config: EngineConfig, seconds_a_column: F) -> Self {
        let mut drive = Self {
            engine: preparing(config, 3),
            asked: Vec::new(),
            busy: [0.0; 3],
            now: 2.0,
            seconds_a_column,
            seen: Vec::new(),
        };
        for worker in 0..3 {
            let actions = drive.engine.handle(ready(worker), at(2.0));
            drive.perform(actions);
        }
        drive.seen.clear();
        drive
    }

    fn perform(&mut self, actions: Vec<Action>) {
        let iteration = self.engine.iteration().map_or(0, |iteration| iteration.0);
        for action in actions {
            match action {
                Action::Compute { worker, nodes, .. } => {
                    for node in nodes {
                        let columns = self.engine.columns(node) as f64;
                        let worker = worker.0;
                        let busy = &mut self.busy[worker as usize];
                        *busy = busy.max(self.now) + (self.seconds_a_column)(worker) * columns;
                        self.asked.push((*busy, worker, (node.first(), node.end())));
                    }
                }
                Action::Assign { worker, .. } => {
                    self.seen.push((iteration, action));
                    let more = self.engine.handle(ready(worker.0), at(self.now));
                    self.perform(more);
                }
                Action::Report(_) | Action::Finish(_) => self.seen.push((iteration, action)),
                _ => {}
            }
        }
    }

    /// Lets every worker answer in its time, and the updates take none.
    fn run(mut self) -> Vec<(u64, Action)> {
        while !self.asked.is_empty() {
            let iteration = self.engine.iteration().map_or(0, |iteration| iteration.0);
            self.asked.sort_by(|one, other| one.0.total_cmp(&other.0));
            let (now, worker, node) = self.asked.remove(0);
            self.now = now;
            let actions = self.engine.handle(answer(worker, iteration, node), at(now));
            let complete = actions.iter().any(|action| matches!(action, Action::Update { .. }));
            self.perform(actions);
            if complete {
                let actions = self.engine.handle(updated(iteration), at(now));
                self.perform(actions);
            }
        }
        self.seen
    }
}

#[test]
fn a_worker_at_a_quarter_of_the_speed_gets_a_smaller_shard_as_soon_as_the_speeds_are_known() {
    let seen = Drive::new(40, |worker| if worker == 1 { 4e-3 } else { 1e-3 }).run();
    // It began with the blocks 4..10. Columns travel once; then it forgets all but one of its blocks, for good.
    let moved = [
        (24, Action::Report(Report::SharedAnew)),
        (24, assign(0, &[(0, 8)], &[(4, 8)])),
        (24, assign(2, &[(9, 16)], &[(9, 10)])),
        (25, assign(1, &[(8, 9)], &[])),
    ];
    assert_eq!(seen[..4], moved);
    assert!(matches!(&seen[4..], [(_, Action::Finish(_))]), "{seen:?}");
}

#[test]
fn equal_workers_with_noise_are_left_alone() {
    let mut random = NumpyRandom::new(3);
    // Noise only ever adds: up to three times the time, most often little.
    let noise = move |_| 1e-3 * (1.0 + random.normal().abs().min(2.0));
    let seen = Drive::new(300, noise).run();
    assert!(matches!(seen.as_slice(), [(_, Action::Finish(_))]), "{seen:?}");
}

#[test]
fn with_little_left_to_do_moving_columns_does_not_pay() {
    let slow = |worker| if worker == 1 { 4e-3 } else { 1e-3 };
    let seen = Drive::new(24, slow).run();
    assert!(matches!(seen.as_slice(), [(_, Action::Finish(_))]), "{seen:?}");
}

#[test]
fn even_shards_stay_whatever_the_speeds() {
    let config = EngineConfig {
        iterations: 40,
        even_shards: true,
        ..config_of_16_blocks(3)
    };
    let seen = Drive::of(config, |worker| if worker == 1 { 4e-3 } else { 1e-3 }).run();
    assert!(matches!(seen.as_slice(), [(_, Action::Finish(_))]), "{seen:?}");
}
