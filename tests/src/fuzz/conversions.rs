//! Bytes to messages and back: nothing panics, and what is accepted keeps the promises of its type and means the same
//! after another trip.

use std::fmt::Debug;

use proto::wire::coordinator_message::Message;
use proto::{FromCoordinator, FromWorker, MAX_CHUNK_BYTES, MAX_NAME_CHARACTERS, MessageError, TensorChunk, wire};

use super::{Inputs, Target, ensure, messages, mutate};
use crate::random::Random;

pub(super) const TARGET: Target = Target {
    name: "conversions",
    case,
};

/// The most bytes of text about a message that cannot be.
const MOST_TEXT: usize = 1024;

fn case(random: &mut Random, inputs: &mut Inputs) -> Result<(), String> {
    inputs.count();
    if random.happens(1, 2) {
        let message = wire::WorkerMessage::from(messages::from_worker(random));
        let (bytes, untouched) = perhaps_mutated(random, &message);
        check::<wire::WorkerMessage, FromWorker>(&bytes, untouched, keeps_promises_of_worker)
    } else {
        let mut message = wire::CoordinatorMessage::from(messages::from_coordinator(random));
        if let Some(Message::Welcome(wire::Welcome { run: Some(run), .. })) = &mut message.message
            && random.happens(1, 50)
        {
            // Mutated, as a rule these are not layer sizes any more.
            run.layer_sizes.splice(1..1, vec![1; random.index(2000)]);
        }
        let (bytes, untouched) = perhaps_mutated(random, &message);
        check::<wire::CoordinatorMessage, FromCoordinator>(&bytes, untouched, keeps_promises_of_coordinator)
    }
}

/// The bytes of a message, of what was made of it, or any; and whether they are the message's own.
fn perhaps_mutated(random: &mut Random, message: &impl prost::Message) -> (Vec<u8>, bool) {
    let mut bytes = message.encode_to_vec();
    match random.below(16) {
        0 => return (bytes, true),
        1..4 => bytes = mutate::any_bytes(random, 60),
        _ => mutate::bytes(random, &mut bytes),
    }
    (bytes, false)
}

fn check<W, M>(bytes: &[u8], untouched: bool, keeps_promises: fn(&M) -> bool) -> Result<(), String>
where
    W: prost::Message + Default + From<M>,
    M: TryFrom<W, Error = MessageError> + Clone + PartialEq + Debug,
{
    let message = match W::decode(bytes) {
        Ok(message) => message,
        Err(error) => return ensure(!untouched, || format!("a good message is not decoded: {error}")),
    };
    let message = match M::try_from(message) {
        Ok(message) => message,
        Err(error) => {
            let text = error.to_string();
            ensure(text.len() <= MOST_TEXT, || {
                format!("an error says {} bytes, expected at most {MOST_TEXT}", text.len())
            })?;
            return ensure(!untouched, || format!("a good message is refused: {text}"));
        }
    };
    ensure(keeps_promises(&message), || format!("accepted {message:?}"))?;
    let again = W::decode(W::from(message.clone()).encode_to_vec().as_slice()).map_err(|error| error.to_string());
    let again = again.and_then(|again| M::try_from(again).map_err(|error| error.to_string()));
    ensure(again.as_ref() == Ok(&message), || {
        format!("{message:?} became {again:?}")
    })
}

fn is_good(chunk: &TensorChunk) -> bool {
    (1..=MAX_CHUNK_BYTES).contains(&chunk.data.len())
}

fn keeps_promises_of_worker(message: &FromWorker) -> bool {
    match message {
        FromWorker::Hello(hello) => {
            let characters = hello.name.chars().count();
            (1..=MAX_NAME_CHARACTERS).contains(&characters)
                && !hello.name.contains(char::is_control)
                && hello.threads > 0
        }
        FromWorker::Sum(sum) => is_good(&sum.chunk),
        FromWorker::Ready | FromWorker::Heartbeat => true,
    }
}

fn keeps_promises_of_coordinator(message: &FromCoordinator) -> bool {
    match message {
        FromCoordinator::Welcome(welcome) => {
            let run = &welcome.run;
            let positive = |number: f64| number.is_finite() && number > 0.0;
            positive(run.scale)
                && positive(run.learning_rate)
                && !run.worker_timeout.is_zero()
                && run.sizes.parameters() > 0
        }
        FromCoordinator::Columns(chunk)
        | FromCoordinator::Labels(chunk)
        | FromCoordinator::Parameters(_, chunk)
        | FromCoordinator::Gradient(_, chunk) => is_good(chunk),
        FromCoordinator::Compute(_, nodes) => !nodes.is_empty(),
        FromCoordinator::Assignment(_)
        | FromCoordinator::Heartbeat
        | FromCoordinator::Finished { .. }
        | FromCoordinator::Dismissed(_) => true,
    }
}
