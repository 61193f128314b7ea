//! Clients that do what none should: they hang up in the middle, say nothing, say nonsense, never
//! read. Whatever they leave behind shows in the descriptors and in the memory.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::thread::sleep;
use std::time::Duration;

use super::stage::{REPLICAS, Stage};
use crate::load::random::Random;

/// Between two of them.
const PAUSE: Duration = Duration::from_millis(400);
/// How many say nothing at a time.
const SILENT: usize = 40;
const SEED: u64 = 23;
const HEAD: &str = "POST /introspect HTTP/1.1\r\nHost: x\r\n\
                    Content-Type: application/x-www-form-urlencoded\r\n";

/// How many there were.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rude {
    pub(super) count: u64,
    /// Those that got 200, which none of them may.
    pub(super) answered: u64,
}

/// Until it is over.
pub(super) fn drive(stage: &Stage) -> anyhow::Result<Rude> {
    let mut random = Random::seeded(SEED);
    let (mut rude, mut silent) = (Rude::default(), std::collections::VecDeque::new());
    while !stage.is_over() {
        sleep(PAUSE);
        let at = stage.at(random.below(REPLICAS));
        let to = if random.below(8) == 0 { at.admin } else { at.public };
        let Ok(stream) = TcpStream::connect_timeout(&to, PAUSE) else { continue };
        rude.count += 1;
        match random.below(7) {
            0 => {
                silent.push_back(stream);
                if silent.len() > SILENT {
                    silent.pop_front();
                }
            }
            kind => {
                let said = say(stream, kind, to).unwrap_or_default();
                rude.answered += u64::from(said.starts_with("HTTP/1.1 200"));
            }
        }
    }
    Ok(rude)
}

/// One of them; what it heard, if it listened.
fn say(mut stream: TcpStream, kind: usize, to: SocketAddr) -> std::io::Result<String> {
    stream.set_read_timeout(Some(PAUSE))?;
    match kind {
        // Hangs up in the head, and in the body.
        1 => stream.write_all(HEAD.as_bytes())?,
        2 => write!(stream, "{HEAD}Content-Length: 900\r\n\r\ntoken=eyJ")?,
        // Two lengths, nonsense, and a head that never ends.
        3 => write!(stream, "{HEAD}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\nx")?,
        4 => stream.write_all(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 no TLS here")?,
        5 => write!(stream, "{HEAD}X: {}", "x".repeat(200_000))?,
        // Many at once, and leaves without reading.
        _ => {
            let one = format!("{HEAD}Content-Length: 7\r\n\r\ntoken=x");
            stream.write_all(one.repeat(50).as_bytes())?;
            return Ok(format!("left {to}"));
        }
    }
    if kind < 3 {
        return Ok(String::new());
    }
    let mut heard = vec![0; 512];
    let read = stream.read(&mut heard)?;
    Ok(String::from_utf8_lossy(heard.get(..read).unwrap_or_default()).into_owned())
}
