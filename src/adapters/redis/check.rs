//! Whether the Redis of a configuration is of use, for `tessera check --online`.

use redis::cmd;

use super::Replica;
use super::link::unavailable;
use crate::ports::Unavailable;

impl Replica {
    /// Connects once, without following anything: for commands beside the service.
    pub async fn connect(&self) -> Result<(), Unavailable> {
        let shared = self.keeper.connected(super::link::SHARED_PATIENCE).await;
        self.store.link.open(shared.map_err(|broken| unavailable(&broken.to_string()))?);
        Ok(())
    }

    /// Whether it can be reached, written to, and read with the sealing key; what is found.
    pub async fn check(&self) -> Result<&'static str, Unavailable> {
        self.connect().await?;
        let (names, mut write) = (&self.store.names, cmd("SET"));
        write.arg(names.beat()).arg("1").arg("PX").arg(60_000);
        let () = self.store.link.ask(&write).await?;
        let record: Option<Vec<u8>> =
            self.store.link.ask(cmd("GET").arg(names.generation())).await?;
        match record.map(|record| super::generation::read(&self.store, &record)) {
            None => Ok("reached; no replica has used it yet"),
            Some(Some(_)) => Ok("reached; replicas use it with this sealing key"),
            Some(None) => {
                let why = "replicas use it with another `store.sealing_key`, or what they wrote was \
                           altered";
                Err(unavailable(why))
            }
        }
    }
}
