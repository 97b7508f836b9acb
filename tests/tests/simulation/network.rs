//! Connections as TCP gives them: in each direction what was sent arrives in order or not at all, some time later, and a
//! connection may end without either side, or with only one of them, being told.

use std::collections::BTreeMap;
use std::time::Duration;

use proto::{FromCoordinator, FromWorker, MessageError, wire};
use tests::random::Random;

use crate::scenario::MOST_LATENCIES;

/// The number of a connection. No two of a world are alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConnectionId(u64);

/// An end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Coordinator,
    Worker,
}

/// What arrives at an end.
#[derive(Clone, Debug)]
pub enum Parcel {
    FromWorker(FromWorker),
    FromCoordinator(FromCoordinator),
    /// The other end has closed the connection, or it broke.
    Closed,
}

impl Parcel {
    /// The same after a trip over the wire.
    pub fn over_the_wire(self) -> Result<Self, MessageError> {
        Ok(match self {
            Self::FromWorker(message) => Self::FromWorker(FromWorker::try_from(wire::WorkerMessage::from(message))?),
            Self::FromCoordinator(message) => {
                Self::FromCoordinator(FromCoordinator::try_from(wire::CoordinatorMessage::from(message))?)
            }
            Self::Closed => Self::Closed,
        })
    }
}

/// Something on its way.
#[derive(Debug)]
pub struct Delivery {
    pub at: Duration,
    pub connection: ConnectionId,
    pub to: Side,
    pub parcel: Parcel,
}

/// How it is between one worker and the coordinator.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    /// The least time that a parcel takes; some take up to [`MOST_LATENCIES`] times as long.
    pub latency: Duration,
    /// Whether nothing arrives until this is over.
    pub partitioned: bool,
}

/// All connections of a world.
#[derive(Debug, Default)]
pub struct Network {
    connections: BTreeMap<ConnectionId, Connection>,
    weather: Vec<Weather>,
    opened: u64,
}

#[derive(Debug)]
struct Connection {
    worker: usize,
    to_coordinator: Lane,
    to_worker: Lane,
}

/// One direction of a connection.
#[derive(Debug, Default)]
struct Lane {
    state: LaneState,
    /// When the last parcel arrives.
    last: Duration,
    /// What could not arrive because of a partition.
    held: Vec<Parcel>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum LaneState {
    #[default]
    Open,
    /// Nothing but the news of it arrives.
    Cut,
    /// Nothing arrives.
    Over,
}

impl Network {
    /// A new worker, and how it is between it and the coordinator.
    pub fn add_worker(&mut self, latency: Duration) {
        self.weather.push(Weather {
            latency,
            partitioned: false,
        });
    }

    pub fn weather(&mut self, worker: usize) -> &mut Weather {
        &mut self.weather[worker]
    }

    /// Opens a connection.
    pub fn open(&mut self, worker: usize) -> ConnectionId {
        let id = ConnectionId(self.opened);
        self.opened += 1;
        let connection = Connection {
            worker,
            to_coordinator: Lane::default(),
            to_worker: Lane::default(),
        };
        self.connections.insert(id, connection);
        id
    }

    pub fn worker_of(&self, id: ConnectionId) -> Option<usize> {
        self.connections.get(&id).map(|connection| connection.worker)
    }

    /// Sends a parcel; `None` if the other end does not listen any more.
    pub fn send(
        &mut self,
        id: ConnectionId,
        to: Side,
        parcel: Parcel,
        now: Duration,
        random: &mut Random,
    ) -> Option<Delivery> {
        let connection = self.connections.get_mut(&id)?;
        let Weather { latency, .. } = self.weather[connection.worker];
        let lane = connection.lane(to);
        if lane.state != LaneState::Open {
            return None;
        }
        let at = now + latency.mul_f64(1.0 + f64::from(MOST_LATENCIES - 1) * mostly_small(random.share()));
        lane.last = at.max(lane.last + Duration::from_nanos(1));
        Some(Delivery {
            at: lane.last,
            connection: id,
            to,
            parcel,
        })
    }

    /// A parcel is there; `None` if it does not arrive, or not yet.
    pub fn arrive(&mut self, id: ConnectionId, to: Side, parcel: Parcel) -> Option<Parcel> {
        let connection = self.connections.get_mut(&id)?;
        let partitioned = self.weather[connection.worker].partitioned;
        let lane = connection.lane(to);
        let closed = matches!(parcel, Parcel::Closed);
        if lane.state == LaneState::Over || (lane.state == LaneState::Cut && !closed) {
            return None;
        }
        if partitioned {
            lane.held.push(parcel);
            return None;
        }
        if closed {
            lane.state = LaneState::Over;
        }
        Some(parcel)
    }

    /// The end of a partition: what was held arrives now, in this order.
    pub fn heal(&mut self, worker: usize) -> Vec<(ConnectionId, Side, Parcel)> {
        self.weather[worker].partitioned = false;
        let mut held = Vec::new();
        for (&id, connection) in &mut self.connections {
            if connection.worker == worker {
                for to in [Side::Coordinator, Side::Worker] {
                    let parcels = connection.lane(to).held.drain(..);
                    held.extend(parcels.map(|parcel| (id, to, parcel)));
                }
            }
        }
        held
    }

    /// The end `by` closes the connection. What it has sent still arrives, and then the news; it does not listen any
    /// more.
    pub fn close(&mut self, id: ConnectionId, by: Side, now: Duration, random: &mut Random) -> Option<Delivery> {
        let connection = self.connections.get_mut(&id)?;
        connection.lane(by).state = LaneState::Over;
        self.send(id, by.other(), Parcel::Closed, now, random)
    }

    /// The coordinator closes the connection. It still hears what was said to it before the news is there.
    pub fn hang_up(&mut self, id: ConnectionId, now: Duration, random: &mut Random) -> Option<Delivery> {
        self.send(id, Side::Worker, Parcel::Closed, now, random)
    }

    /// All connections on which the coordinator still listens.
    pub fn heard(&self) -> Vec<ConnectionId> {
        let open = |(_, connection): &(&ConnectionId, &Connection)| connection.to_coordinator.state == LaneState::Open;
        self.connections.iter().filter(open).map(|(&id, _)| id).collect()
    }

    /// Everything that is under way is lost. Of the two ends only `told` learn of it.
    pub fn cut(&mut self, id: ConnectionId, told: &[Side], now: Duration) -> Vec<Delivery> {
        let Some(connection) = self.connections.get_mut(&id) else {
            return Vec::new();
        };
        let Weather { latency, .. } = self.weather[connection.worker];
        let mut deliveries = Vec::new();
        for to in [Side::Coordinator, Side::Worker] {
            let lane = connection.lane(to);
            if lane.state != LaneState::Open {
                continue;
            }
            lane.state = LaneState::Cut;
            lane.held.clear();
            if told.contains(&to) {
                let (at, connection) = (now + latency, id);
                let parcel = Parcel::Closed;
                deliveries.push(Delivery {
                    at,
                    connection,
                    to,
                    parcel,
                });
            }
        }
        deliveries
    }
}

impl Connection {
    /// The lane that leads to an end.
    fn lane(&mut self, to: Side) -> &mut Lane {
        match to {
            Side::Coordinator => &mut self.to_coordinator,
            Side::Worker => &mut self.to_worker,
        }
    }
}

impl Side {
    pub fn other(self) -> Self {
        match self {
            Self::Coordinator => Self::Worker,
            Self::Worker => Self::Coordinator,
        }
    }
}

/// Most often small, now and then near 1.
fn mostly_small(share: f64) -> f64 {
    let fourth = share * share * share * share;
    fourth * fourth
}
