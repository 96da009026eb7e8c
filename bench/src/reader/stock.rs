//! What anybody would write: the generated client, every message decoded into its types.

use std::sync::atomic::Ordering;

use anyhow::bail;
use linkerd2_proxy_api::destination::{GetDestination, destination_client::DestinationClient};
use tokio::task::JoinSet;
use tonic::transport::{Channel, Endpoint};

use super::{ReaderArgs, Tally};

/// Reads all streams until one ends.
pub(super) async fn read(args: &ReaderArgs, tally: &'static Tally) -> anyhow::Result<()> {
    let endpoint = Endpoint::from_shared(format!("http://{}", args.destination))?;
    let mut streams = JoinSet::new();
    for client in 0..args.load.connections {
        let client_of_all = DestinationClient::new(endpoint.connect().await?);
        for authority in args.load.authorities() {
            let get = GetDestination {
                scheme: "k8s".into(),
                path: authority,
                context_token: args.token(client)?,
            };
            streams.spawn(stream(client_of_all.clone(), get, tally));
        }
    }
    match streams.join_next().await {
        Some(ended) => ended?,
        None => bail!("no streams"),
    }
}

async fn stream(
    mut client: DestinationClient<Channel>,
    get: GetDestination,
    tally: &'static Tally,
) -> anyhow::Result<()> {
    let mut updates = client.get(get).await?.into_inner();
    while let Some(update) = updates.message().await? {
        std::hint::black_box(&update);
        tally.messages.fetch_add(1, Ordering::Relaxed);
    }
    bail!("a stream ended")
}
