//! Writes log lines beside whoever says them: a pipe that nobody reads must not hold up requests.
//!
//! Lines wait in a queue that is bounded; one that finds no room is lost and counted, and the next
//! that finds room says how many were.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

use super::loss_metrics::LINES;

/// Most lines that wait.
const WAITING: usize = 8192;
/// How long what is left is written after the end.
const FLUSH: Duration = Duration::from_secs(1);

/// Takes lines, and never waits.
#[derive(Clone, Debug)]
pub(super) struct Lines {
    waiting: SyncSender<Said>,
    lost: Arc<AtomicU64>,
}

/// What goes through the queue.
#[derive(Debug)]
enum Said {
    Line(Box<[u8]>),
    /// Everything before this is to be written, and then told here.
    End(SyncSender<()>),
}

/// Lines that go to `out`, by a thread of their own. Tells of lost ones by what `told` makes of
/// their number.
pub(super) fn start(
    out: impl Write + Send + 'static,
    told: fn(u64) -> String,
) -> io::Result<(Lines, JoinHandle<()>)> {
    let (sender, waiting) = sync_channel(WAITING);
    let lost = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&lost);
    let work = move || write(out, &waiting, (&counted, told));
    let thread = thread::Builder::new().name("log".to_owned()).spawn(work)?;
    Ok((Lines { waiting: sender, lost }, thread))
}

/// A line that cannot be written is gone, as it would be without this.
fn write(
    mut out: impl Write,
    waiting: &Receiver<Said>,
    (lost, told): (&AtomicU64, fn(u64) -> String),
) {
    while let Ok(said) = waiting.recv() {
        match said {
            Said::Line(line) => drop(out.write_all(&line)),
            Said::End(done) => drop(done.try_send(())),
        }
        let lost = lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            drop(out.write_all(told(lost).as_bytes()));
        }
    }
}

impl Lines {
    /// Waits until everything is written that was said before, but not for long.
    pub(super) fn flush(&self) {
        let (done, end) = sync_channel(1);
        // There may be no room at once, while all is being written.
        let mut left = FLUSH;
        let pause = Duration::from_millis(10);
        while self.waiting.try_send(Said::End(done.clone())).is_err() {
            match end.recv_timeout(pause) {
                Err(RecvTimeoutError::Timeout) if left > pause => left = left.saturating_sub(pause),
                _ => return,
            }
        }
        let _ = end.recv_timeout(left);
    }
}

/// One line: the subscriber writes each whole.
impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.waiting.try_send(Said::Line(line.into())).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
            LINES.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Sender, channel};

    use super::*;

    /// Writes nothing until it is told to go on, once for each line.
    struct Stuck(Receiver<()>, Sender<String>);

    impl Write for Stuck {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            self.0.recv().map_err(io::Error::other)?;
            self.1.send(String::from_utf8_lossy(line).into_owned()).map_err(io::Error::other)?;
            Ok(line.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn told(lost: u64) -> String {
        format!("{lost} lost")
    }

    #[test]
    fn a_reader_that_is_stuck_holds_nobody_up_and_hears_how_much_was_lost() {
        let ((go_on, stuck), (says, said)) = (channel(), channel());
        let (mut lines, _thread) = start(Stuck(stuck, says), told).unwrap();
        // One is with the thread; whether it has taken it out yet makes a difference of one.
        let sent = WAITING + 10;
        for _ in 0..sent {
            lines.write_all(b"line").unwrap();
        }
        let lost = lines.lost.load(Ordering::Relaxed);
        assert!((9..=10).contains(&lost), "{lost}");
        lines.flush();
        go_on.send(()).unwrap();
        go_on.send(()).unwrap();
        assert_eq!(said.recv().unwrap(), "line");
        assert_eq!(said.recv().unwrap(), format!("{lost} lost"));
        for _ in 0..sent {
            go_on.send(()).unwrap();
        }
        for _ in 1..(sent as u64 - lost) {
            assert_eq!(said.recv().unwrap(), "line", "what found room arrives");
        }
    }

    #[test]
    fn what_was_said_is_written_at_the_end() {
        let ((go_on, stuck), (says, said)) = (channel(), channel());
        let (mut lines, _thread) = start(Stuck(stuck, says), told).unwrap();
        for line in ["one", "two"] {
            lines.write_all(line.as_bytes()).unwrap();
            go_on.send(()).unwrap();
        }
        lines.flush();
        assert_eq!(said.try_iter().collect::<Vec<_>>(), ["one", "two"]);
    }
}
