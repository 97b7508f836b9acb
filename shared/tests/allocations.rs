//! An iteration that has been made once allocates nothing when it is made again.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};

use shared::element::Values;
use shared::shard::GradientOf;
use shared::threads::lead_pool;
use shared::update::UpdateRule;
use shared::{BlockColumns, Columns, GradientSum, Initialisation, LayerSizes, Real, Shard, Tree};

/// The system's allocator, which counts what threads that compute ask it for.
struct Counting;

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// Whether this thread computes. The harness of the test has threads too, which allocate when they like.
    static COMPUTES: Cell<bool> = const { Cell::new(false) };
}

fn count() {
    if COMPUTES.get() {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
    }
}

// SAFETY: everything is done by the system's allocator; counting changes nothing of it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`, and the pointer came from the system's allocator.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the contract of `realloc`, and the pointer came from the system's allocator.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const ITERATIONS: usize = 1000;

/// What [`ITERATIONS`] iterations allocate after three, of bytes on `threads` threads.
fn allocations<C: Real, G: Real + GradientOf<C>>(sizes: &[usize], m: usize, threads: usize) -> usize {
    let sizes = LayerSizes::new(sizes.to_vec()).unwrap();
    let tree = Tree::over_batch(m, BlockColumns::default_for(m)).unwrap();
    let numbers = (0..sizes.features() * m).map(|i| (i * 31 % 251) as u8).collect();
    let x = Columns::new(sizes.features(), Values::U8(numbers)).unwrap();
    let labels: Vec<u8> = (0..m).map(|j| (j % 2) as u8).collect();
    let work = move |pool: rayon::ThreadPool| {
        COMPUTES.set(true);
        pool.broadcast(|_| COMPUTES.set(true));
        let root = tree.root();
        let mut shard = Shard::<C, G>::new(&tree, root, &sizes, &x, &labels, 1.0 / 255.0).unwrap();
        let mut parameters = Initialisation::He.parameters::<C>(&sizes, 1);
        let mut sums = [GradientSum::<G>::zeros(sizes.clone())];
        let rule = UpdateRule::<C>::new(&sizes, 1.0 / 255.0, m, 0.01);
        let mut iterate = || {
            pool.install(|| shard.node_sums_into(&parameters, &[root], &mut sums));
            let values = parameters.values_mut();
            let count = values.len();
            rule.apply(values, 0, &sums[0].values()[..count]);
        };
        (0..3).for_each(|_| iterate());
        let before = ALLOCATIONS.load(Ordering::Relaxed);
        (0..ITERATIONS).for_each(|_| iterate());
        ALLOCATIONS.load(Ordering::Relaxed) - before
    };
    lead_pool("compute", threads, work).unwrap().join().unwrap().unwrap()
}

/// The most that a thread allocates when it does a kind of work for the first time, which may be late: nobody knows who
/// will take which part.
const ONCE: usize = 64;

/// One test, because tests beside it would allocate too.
#[test]
fn an_iteration_allocates_nothing() {
    for threads in [1, 2, 3] {
        let cats = [1200, 20, 7, 5, 1];
        // Several strips, and hidden layers that matter.
        let many = [40, 30, 20, 1];
        for (what, allocated) in [
            ("f64", allocations::<f64, f64>(&cats, 209, threads)),
            ("f32", allocations::<f32, f32>(&cats, 209, threads)),
            ("narrow sums", allocations::<f64, f32>(&cats, 209, threads)),
            ("many columns", allocations::<f64, f64>(&many, 1500, threads)),
        ] {
            let most = (threads - 1) * ONCE;
            assert!(
                allocated <= most && most < ITERATIONS,
                "{threads} threads, {what}: {allocated}"
            );
        }
    }
}
