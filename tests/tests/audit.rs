//! `--audit` with real processes: a worker that lies about one bit is found.

use proto::wire;
use tests::cluster::Cluster;
use tests::data::{Folder, Sample};
use tests::faults::fleet::NEVER;
use tests::foreign::Foreigner;
use tests::oracle::Training;

/// Alters one bit of one number of one block in iteration 2.
fn one_wrong_bit(sums: &mut wire::SumChunk) {
    if sums.iteration == 2 && sums.first_block == 0 {
        let mut data = sums.data.to_vec();
        data[8 * 5 + 6] ^= 1;
        sums.data = data.into();
    }
}

#[tokio::test]
async fn a_worker_that_returns_one_wrong_bit_in_one_iteration_is_found_named_and_dismissed_and_the_bits_are_right() {
    let folder = Folder::new();
    let (sample, training) = (Sample::bytes(64, 9, 31), Training::new(&[3], 6));
    sample.write(&folder.path("data.h5"));
    let mut options = training.arguments(&folder.argument("data.h5"));
    // The liar gives no signs of life.
    options.extend(["--workers", "2", "--audit", "1.0", "--worker-timeout", NEVER].map(str::to_owned));
    let mut cluster = Cluster::start(&options.iter().map(String::as_str).collect::<Vec<_>>());
    let liar = Foreigner::join(&cluster.address, "liar", sample.clone()).await;
    cluster.coordinator.wait_for_stderr("1 of 2 workers have joined");
    cluster.start_worker("honest");
    let served = liar.serve(one_wrong_bit).await;

    let explanation = served.dismissed.expect("it was found");
    let (coordinator, workers) = cluster.finish();
    for worker in workers {
        worker.expect_code(0);
    }
    let coordinator = coordinator.expect_code(0);
    assert_eq!(coordinator.stdout, training.expected_stdout(&sample));
    assert!(explanation.contains("in iteration 2"), "{explanation}");
    assert!(explanation.contains("worker 1 (honest)"), "{explanation}");
    let warning = format!("dismissed worker 0 (liar): {explanation}");
    assert!(coordinator.stderr.contains(&warning), "{}", coordinator.stderr);
}

#[tokio::test]
async fn without_an_audit_nobody_looks_so_the_lie_changes_the_result() {
    let folder = Folder::new();
    let (sample, training) = (Sample::bytes(64, 9, 31), Training::new(&[3], 6));
    sample.write(&folder.path("data.h5"));
    let mut options = training.arguments(&folder.argument("data.h5"));
    options.extend(["--workers", "1", "--worker-timeout", NEVER].map(str::to_owned));
    let cluster = Cluster::start(&options.iter().map(String::as_str).collect::<Vec<_>>());
    let liar = Foreigner::join(&cluster.address, "liar", sample.clone()).await;
    assert_eq!(liar.serve(one_wrong_bit).await.dismissed, None);
    let (coordinator, _) = cluster.finish();
    assert_ne!(coordinator.expect_code(0).stdout, training.expected_stdout(&sample));
}
