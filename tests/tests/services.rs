//! The standard gRPC services on the port where workers join.

use tests::cluster::Cluster;
use tests::data::{Folder, Sample};
use tokio_stream::StreamExt;
use tonic::transport::{Channel, Endpoint};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

/// A coordinator that waits for a worker, and a connection to it.
async fn waiting_coordinator(folder: &Folder) -> (Cluster, Channel) {
    Sample::bytes(20, 6, 1).write(&folder.path("data.h5"));
    let cluster = Cluster::start(&["--train", &folder.argument("data.h5")]);
    let endpoint = Endpoint::from_shared(format!("http://{}", cluster.address)).expect("the address is valid");
    let channel = endpoint.connect().await.expect("the coordinator listens");
    (cluster, channel)
}

#[tokio::test]
async fn the_health_service_says_that_the_trainer_serves() {
    let folder = Folder::new();
    let (_cluster, channel) = waiting_coordinator(&folder).await;
    for service in ["", "lockstep.v1.Trainer"] {
        let request = HealthCheckRequest {
            service: service.to_owned(),
        };
        let answer = HealthClient::new(channel.clone()).check(request).await;
        let status = answer.expect("the health service answers").into_inner().status();
        assert_eq!(status, ServingStatus::Serving, "{service:?}");
    }
}

#[tokio::test]
async fn reflection_lists_the_trainer_and_describes_it() {
    let folder = Folder::new();
    let (_cluster, channel) = waiting_coordinator(&folder).await;
    let ask = async |question| {
        let request = ServerReflectionRequest {
            host: String::new(),
            message_request: Some(question),
        };
        let mut client = ServerReflectionClient::new(channel.clone());
        let answers = client.server_reflection_info(tokio_stream::once(request)).await;
        let mut answers = answers.expect("the reflection service answers").into_inner();
        let answer = answers
            .next()
            .await
            .expect("there is an answer")
            .expect("it is no error");
        answer.message_response.expect("it says something")
    };
    let MessageResponse::ListServicesResponse(list) = ask(MessageRequest::ListServices(String::new())).await else {
        panic!("expected a list of services");
    };
    let names: Vec<_> = list.service.iter().map(|service| service.name.as_str()).collect();
    assert!(
        names.contains(&"lockstep.v1.Trainer") && names.contains(&"grpc.health.v1.Health"),
        "{names:?}"
    );
    let symbol = MessageRequest::FileContainingSymbol("lockstep.v1.Trainer".to_owned());
    let MessageResponse::FileDescriptorResponse(files) = ask(symbol).await else {
        panic!("expected the file that defines the service");
    };
    assert!(!files.file_descriptor_proto.is_empty());
}
