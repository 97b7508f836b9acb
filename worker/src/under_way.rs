//! How much work is under way in a worker, so that a coordinator that asks for more than can be done is no longer listened
//! to instead of filling the memory.

use crate::compute::Order;

/// The most updates of parameters, each with memory of its own, that wait for the compute thread. Of an honest coordinator
/// there are hardly two: it sends none to a worker that owes sums.
const MOST_UPDATES: usize = 4;

/// The most orders that wait for the compute thread. Of an honest coordinator there are a few, and some more if workers are
/// lost one after the other while this one computes.
const MOST_ORDERS: usize = 256;

/// The most messages, or sums of nodes, that wait to be sent.
pub(crate) const MOST_SENDS: usize = 256;

/// Orders that the compute thread has not carried out yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct UnderWay {
    orders: usize,
    updates: usize,
}

/// What an order counts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// An update of the parameters.
    Update,
    /// Anything else.
    Other,
}

impl Order {
    /// What it counts as.
    pub fn weight(&self) -> Weight {
        match self {
            Self::Parameters(_) | Self::Gradient(_) => Weight::Update,
            Self::Start(_) | Self::Retain(_) | Self::Hold(_) | Self::Compute(..) => Weight::Other,
        }
    }
}

impl UnderWay {
    /// An order was given.
    pub(crate) fn begin(&mut self, weight: Weight) {
        self.orders += 1;
        self.updates += usize::from(weight == Weight::Update);
    }

    /// An order of this membership was carried out.
    pub(crate) fn end(&mut self, weight: Weight) {
        self.orders = self.orders.saturating_sub(1);
        self.updates = self.updates.saturating_sub(usize::from(weight == Weight::Update));
    }

    /// Whether more can be asked for.
    pub(crate) fn has_room(self) -> bool {
        self.orders < MOST_ORDERS && self.updates < MOST_UPDATES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_until_too_much_of_either_kind_waits_and_again_when_some_is_done() {
        for (weight, most) in [(Weight::Update, MOST_UPDATES), (Weight::Other, MOST_ORDERS)] {
            let mut under_way = UnderWay::default();
            for _ in 0..most {
                assert!(under_way.has_room(), "{weight:?}");
                under_way.begin(weight);
            }
            assert!(!under_way.has_room(), "{weight:?}");
            under_way.end(weight);
            assert!(under_way.has_room(), "{weight:?}");
        }
    }
}
