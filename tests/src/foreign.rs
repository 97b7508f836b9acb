//! Clients that are not our worker: an ordinary gRPC client, tonic's with its codec and none of our framing, that says
//! whatever a test likes; and a whole worker made with it, whose sums are the oracle's.

use std::collections::BTreeSet;

use proto::wire::coordinator_message::Message as Answer;
use proto::wire::worker_message::Message;
use proto::{PROTOCOL_VERSION, wire};
use shared::reference::{Batch, node_sum};
use shared::{BlockColumns, LayerSizes, LeafRange, Parameters, Tree};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::Endpoint;
use tonic::{Request, Streaming};
use tonic_prost::ProstCodec;

use crate::data::Sample;

/// A stream to the coordinator that says whatever a test likes.
#[derive(Debug)]
pub struct Stranger {
    says: mpsc::Sender<wire::WorkerMessage>,
    hears: Streaming<wire::CoordinatorMessage>,
}

impl Stranger {
    /// Opens a stream to the coordinator at `address`.
    ///
    /// # Panics
    ///
    /// If nobody answers.
    pub async fn connect(address: &str) -> Self {
        let endpoint = Endpoint::from_shared(format!("http://{address}")).expect("the address is valid");
        let mut client = Grpc::new(endpoint.connect().await.expect("the coordinator listens"));
        client.ready().await.expect("the connection is open");
        let (says, messages) = mpsc::channel(16);
        let hears = client
            .streaming(
                Request::new(ReceiverStream::new(messages)),
                PathAndQuery::from_static("/lockstep.v1.Trainer/Train"),
                ProstCodec::default(),
            )
            .await
            .expect("a stream is opened")
            .into_inner();
        Self { says, hears }
    }

    /// Says `message`.
    ///
    /// # Panics
    ///
    /// If nobody listens.
    pub async fn say(&self, message: Option<Message>) {
        self.says
            .send(wire::WorkerMessage {
                checksum: None,
                shared: None,
                message,
            })
            .await
            .expect("the stream is open");
    }

    /// What the coordinator says next; `None` if it has closed the stream.
    pub async fn hear(&mut self) -> Option<Answer> {
        self.hears.message().await.ok()?.and_then(|message| message.message)
    }

    /// Waits for its dismissal and returns the reason and the explanation.
    ///
    /// # Panics
    ///
    /// If something else comes.
    pub async fn hear_dismissal(&mut self) -> (wire::Reason, String) {
        match self.hear().await {
            Some(Answer::Dismissed(dismissed)) => (dismissed.reason(), dismissed.explanation),
            other => panic!("found {other:?}, expected Dismissed"),
        }
    }
}

/// A Hello without columns.
pub fn hello(protocol_version: u32, name: &str) -> Option<Message> {
    Some(Message::Hello(wire::Hello {
        protocol_version,
        name: name.to_owned(),
        threads: 1,
        held: None,
    }))
}

/// A worker for runs in f64 on a sample that it knows.
#[derive(Debug)]
pub struct Foreigner {
    stream: Stranger,
    sample: Sample,
    run: wire::Run,
    /// The blocks held, those included that arrive.
    blocks: BTreeSet<u32>,
    /// Columns that have still to arrive.
    missing: usize,
    parameters: Vec<u8>,
    served: Served,
}

/// What a worker has seen when its part in the run is over.
#[derive(Clone, Debug, Default)]
pub struct Served {
    /// The bytes of all columns in the order in which they came.
    pub columns: Vec<u8>,
    /// Their labels.
    pub labels: Vec<u8>,
    /// Why it was dismissed, if it was.
    pub dismissed: Option<String>,
}

impl Foreigner {
    /// Joins the run at `address`, which is on `sample`, under `name`.
    ///
    /// # Panics
    ///
    /// If it is not let in.
    pub async fn join(address: &str, name: &str, sample: Sample) -> Self {
        let mut stream = Stranger::connect(address).await;
        stream.say(hello(PROTOCOL_VERSION, name)).await;
        let run = match stream.hear().await {
            Some(Answer::Welcome(welcome)) => welcome.run.expect("a Welcome says what the run is"),
            other => panic!("found {other:?}, expected Welcome"),
        };
        Self {
            stream,
            sample,
            run,
            blocks: BTreeSet::new(),
            missing: 0,
            parameters: Vec::new(),
            served: Served::default(),
        }
    }

    /// Does what is asked until its part is over. Every answer can be altered before it is sent.
    ///
    /// # Panics
    ///
    /// If the coordinator says what it should not.
    pub async fn serve(mut self, mut alter: impl FnMut(&mut wire::SumChunk)) -> Served {
        loop {
            match self
                .stream
                .hear()
                .await
                .expect("the stream goes on until the end is told")
            {
                Answer::Assignment(assignment) => {
                    self.missing = self.take(&assignment);
                    self.say_if_ready().await;
                }
                Answer::Labels(chunk) => self.served.labels.extend_from_slice(&chunk.data),
                Answer::Columns(chunk) => {
                    self.served.columns.extend_from_slice(&chunk.data);
                    self.missing -= chunk.data.len() / self.sample.x.features();
                    self.say_if_ready().await;
                }
                Answer::Parameters(chunk) => {
                    if chunk.offset == 0 {
                        self.parameters.clear();
                    }
                    self.parameters.extend_from_slice(&chunk.data);
                }
                Answer::Compute(asked) => {
                    for mut sums in sums_of(&self.run, &asked, &self.parameters, &self.sample) {
                        alter(&mut sums);
                        self.stream.say(Some(Message::Sum(sums))).await;
                    }
                }
                Answer::Heartbeat(_) => self.stream.say(Some(Message::Heartbeat(wire::Heartbeat {}))).await,
                Answer::Finished(_) => break,
                Answer::Dismissed(dismissed) => {
                    self.served.dismissed = Some(dismissed.explanation);
                    break;
                }
                Answer::Gradient(_) => panic!("found a gradient, which only a mixed run has"),
                Answer::Welcome(_) => panic!("it was welcome before"),
            }
        }
        assert!(self.stream.hear().await.is_none(), "the stream is closed");
        self.served
    }

    /// Notes what is to be held from now on. Returns how many columns have to come for that.
    fn take(&mut self, assignment: &wire::Assignment) -> usize {
        let tree = tree(&self.run);
        let blocks: BTreeSet<u32> = assignment
            .blocks
            .iter()
            .flat_map(|range| range.first_block..range.end_block)
            .collect();
        let columns = |&block: &u32| {
            let block = LeafRange::new(block, block + 1).expect("a block is a range of one");
            tree.items_of(block).len()
        };
        let missing = blocks.difference(&self.blocks).map(columns).sum();
        self.blocks = blocks;
        missing
    }

    async fn say_if_ready(&self) {
        if self.missing == 0 {
            self.stream.say(Some(Message::Ready(wire::Ready {}))).await;
        }
    }
}

fn tree(run: &wire::Run) -> Tree {
    let block_columns = BlockColumns::new(run.block_columns as usize).expect("blocks have columns");
    Tree::over_batch(run.columns as usize, block_columns).expect("the batch is small")
}

/// The answers to a Compute, by the oracle.
fn sums_of(run: &wire::Run, asked: &wire::Compute, parameters: &[u8], sample: &Sample) -> Vec<wire::SumChunk> {
    let sizes = run.layer_sizes.iter().map(|&n| n as usize).collect();
    let tree = tree(run);
    let numbers = parameters
        .chunks_exact(8)
        .map(|bytes| bytes.try_into().expect("8 bytes each"));
    let parameters = Parameters::from_values(
        LayerSizes::new(sizes).expect("the sizes are valid"),
        numbers.map(f64::from_le_bytes).collect(),
    );
    let parameters = parameters.expect("all parameters have come");
    let batch = Batch {
        x: &sample.x,
        labels: &sample.labels,
        scale: run.scale,
        tree: &tree,
    };
    let chunk = |node: &wire::BlockRange| {
        let node = LeafRange::new(node.first_block, node.end_block).expect("a node has blocks");
        let sums = node_sum(&parameters, batch, node).into_values();
        wire::SumChunk {
            iteration: asked.iteration,
            first_block: node.first(),
            end_block: node.end(),
            offset: 0,
            data: sums.into_iter().flat_map(f64::to_le_bytes).collect(),
        }
    };
    asked.nodes.iter().map(chunk).collect()
}
