//! Tests of the module above.

use super::*;
use proptest::prelude::*;

fn tree(items: usize, leaf_items: usize) -> Tree {
    Tree::new(items, leaf_items).unwrap()
}

fn range(first: u32, end: u32) -> LeafRange {
    LeafRange::new(first, end).unwrap()
}

#[test]
fn the_left_half_takes_the_odd_tile() {
    let tree = tree(209, 64);
    let leaves: Vec<_> = (0..tree.leaves()).map(|leaf| tree.leaf(leaf)).collect();
    assert_eq!(leaves, [0..56, 56..112, 112..168, 168..209]);
    assert_eq!(tree.halves(tree.root()), Some((range(0, 2), range(2, 4))));
    assert_eq!(tree.halves(range(3, 4)), None);
}

#[test]
fn a_fair_share_of_2_4_or_8_equal_workers_is_exactly_one_node() {
    let tree = tree(4096, 16);
    for workers in [2, 4, 8] {
        let share = tree.leaves() as u32 / workers;
        for worker in 0..workers {
            assert!(tree.is_node(range(worker * share, (worker + 1) * share)));
        }
    }
}

#[test]
fn one_tile_is_never_cut() {
    assert_eq!(tree(8, 1).leaves(), 1);
    assert_eq!(tree(9, 1).leaves(), 2);
    assert_eq!(tree(1, 1).leaves(), 1);
}

#[test]
fn no_items_and_too_many_leaves_are_refused() {
    assert_eq!(Tree::new(0, 8), Err(TreeError::Empty));
    assert_eq!(
        Tree::new(1 << 40, 8),
        Err(TreeError::TooMany {
            items: 1 << 40,
            leaf_items: 8
        })
    );
}

#[test]
fn the_default_block_size_is_a_function_of_the_batch_alone() {
    let defaults = [1, 209, 511, 512, 1023, 1024, 8360, 1_000_000].map(|m| BlockColumns::default_for(m).get());
    assert_eq!(defaults, [16, 16, 16, 32, 32, 64, 64, 64]);
}

/// The node's value as the recursion of the definition gives it, with the shape of the tree in the text.
fn expected_fold(tree: &Tree, node: LeafRange) -> String {
    match tree.halves(node) {
        None => node.first().to_string(),
        Some((left, right)) => format!("({}+{})", expected_fold(tree, left), expected_fold(tree, right)),
    }
}

fn every_node(tree: &Tree, node: LeafRange, visit: &mut impl FnMut(LeafRange)) {
    visit(node);
    if let Some((left, right)) = tree.halves(node) {
        every_node(tree, left, visit);
        every_node(tree, right, visit);
    }
}

proptest! {
    #[test]
    fn leaves_cover_every_item_once_and_begin_at_tiles(items in 1_usize..3000, leaf_items in 1_usize..100) {
        let tree = tree(items, leaf_items);
        let mut next = 0;
        for leaf in 0..tree.leaves() {
            let columns = tree.leaf(leaf);
            prop_assert_eq!(columns.start, next);
            prop_assert_eq!(columns.start % TILE, 0);
            prop_assert!(!columns.is_empty());
            prop_assert!(columns.len() <= leaf_items.max(TILE));
            next = columns.end;
        }
        prop_assert_eq!(next, items);
        prop_assert_eq!(tree.items(), items);
    }

    #[test]
    fn the_stack_fold_equals_the_recursion_at_every_node(items in 1_usize..3000, leaf_items in 8_usize..100) {
        let tree = tree(items, leaf_items);
        every_node(&tree, tree.root(), &mut |node| {
            let folded = tree.fold(node, |leaf| leaf.to_string(), |left, right| format!("({left}+{right})"));
            assert_eq!(folded, expected_fold(&tree, node));
            assert!(tree.is_node(node));
        });
    }

    #[test]
    fn maximal_nodes_cover_the_range_and_none_could_be_larger(
        items in 1_usize..3000, leaf_items in 8_usize..100, a in 0_u32..400, b in 0_u32..400,
    ) {
        let tree = tree(items, leaf_items);
        let leaves = tree.leaves() as u32;
        let (a, b) = (a % leaves, b % leaves);
        let range = range(a.min(b), a.max(b) + 1);
        let nodes = tree.maximal_nodes(range);
        let mut next = range.first();
        for &node in &nodes {
            prop_assert_eq!(node.first(), next);
            prop_assert!(tree.is_node(node));
            next = node.end();
        }
        prop_assert_eq!(next, range.end());
        for pair in nodes.windows(2) {
            let joined = LeafRange { first: pair[0].first, end: pair[1].end };
            prop_assert!(!tree.is_node(joined), "{} and {} make one node", pair[0], pair[1]);
        }
    }

    #[test]
    fn the_stack_never_outgrows_its_stated_depth(items in 1_usize..3000, leaf_items in 8_usize..100) {
        let tree = tree(items, leaf_items);
        let mut depth = 0_usize;
        for (_, joins) in tree.fold_steps(tree.root()) {
            depth += 1;
            prop_assert!(depth <= tree.stack_depth());
            depth -= joins;
        }
        prop_assert_eq!(depth, 1);
    }
}
