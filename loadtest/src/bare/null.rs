//! The null server: answers without looking at what was asked. What is measured against it is the
//! generator itself, and the two kernels' halves of a connection.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::LocalSet;

/// Serves until killed; writes its address to standard error.
pub(crate) fn serve(file: &Path) -> anyhow::Result<()> {
    let body = std::fs::read_to_string(file).context("the prepared answer")?;
    let answer: Arc<[u8]> =
        format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())
            .into_bytes()
            .into();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        eprintln!("{}", listener.local_addr()?);
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            tokio::task::spawn_local(answer_all(stream, Arc::clone(&answer)));
        }
    })
}

/// A question of the generator comes in one piece, so whatever comes is one.
async fn answer_all(mut stream: TcpStream, answer: Arc<[u8]>) -> std::io::Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    while stream.read(&mut buffer).await? > 0 {
        stream.write_all(&answer).await?;
    }
    Ok(())
}
