//! Writes log lines beside whoever says them: a pipe that nobody reads must not hold up requests.
//!
//! Lines wait in a queue that is bounded; one that finds no room is lost and counted, and the next
//! that finds room says how many were.

use std::io::{self, Write};
use std::iter;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

use super::loss_metrics::LINES;

/// Most lines that wait.
const WAITING: usize = 8192;
/// Most bytes that are written at once, of more than one line: a pipe takes so many whole, even if
/// others write to it too (`PIPE_BUF`).
const AT_ONCE: usize = 4096;
/// How long lines are gathered: to be woken for each costs more than to write it.
const GATHER: Duration = Duration::from_millis(5);
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
    let mut lines = Vec::with_capacity(AT_ONCE);
    while let Ok(first) = waiting.recv() {
        // Whoever waits for the end is not kept waiting.
        if matches!(first, Said::Line(_)) {
            thread::sleep(GATHER);
        }
        let mut end = None;
        for said in iter::once(first).chain(waiting.try_iter().take(WAITING)) {
            match said {
                Said::Line(line) => {
                    if lines.len().saturating_add(line.len()) > AT_ONCE {
                        drop(out.write_all(&lines));
                        lines.clear();
                    }
                    lines.extend_from_slice(&line);
                }
                Said::End(done) => {
                    end = Some(done);
                    break;
                }
            }
        }
        let lost = lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            lines.extend_from_slice(told(lost).as_bytes());
        }
        drop(out.write_all(&lines));
        lines.clear();
        lines.shrink_to(AT_ONCE);
        end.map(|done| done.try_send(()));
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

    /// Writes nothing until it is told to go on, once for each write.
    struct Stuck(Receiver<()>, Sender<String>);

    impl Write for Stuck {
        fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
            self.0.recv().map_err(io::Error::other)?;
            self.1.send(String::from_utf8_lossy(lines).into_owned()).map_err(io::Error::other)?;
            Ok(lines.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn told(lost: u64) -> String {
        format!("{lost} lost\n")
    }

    #[test]
    fn a_reader_that_is_stuck_holds_nobody_up_and_hears_how_much_was_lost() {
        let ((go_on, stuck), (says, said)) = (channel(), channel());
        let (mut lines, _thread) = start(Stuck(stuck, says), told).unwrap();
        // The thread may have taken out some before it was stuck.
        let sent = 2 * WAITING + AT_ONCE;
        for _ in 0..sent {
            lines.write_all(b"line\n").unwrap();
        }
        let lost = lines.lost.load(Ordering::Relaxed);
        assert!(lost > 0);
        lines.flush();
        let mut written = String::new();
        while written.matches("line\n").count() < sent - usize::try_from(lost).unwrap() {
            go_on.send(()).unwrap();
            written += &said.recv().unwrap();
        }
        go_on.send(()).unwrap();
        written.extend(said.recv_timeout(FLUSH));
        assert_eq!(written.matches("lost").count(), 1, "{written}");
        assert!(written.contains(&format!("\n{lost} lost\n")), "as a line of its own");
    }

    #[test]
    fn lines_are_written_together_but_whole() {
        let ((go_on, stuck), (says, said)) = (channel(), channel());
        let (mut lines, _thread) = start(Stuck(stuck, says), told).unwrap();
        for _ in 0..1000 {
            lines.write_all(b"a line of some length\n").unwrap();
            go_on.send(()).unwrap();
        }
        lines.flush();
        let writes: Vec<_> = said.try_iter().collect();
        assert!(writes.iter().all(|one| one.ends_with('\n') && one.len() <= AT_ONCE));
        assert_eq!(writes.concat().lines().count(), 1000);
        assert!(writes.len() < 500, "{}", writes.len());
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
        assert_eq!(said.try_iter().collect::<String>(), "onetwo");
    }
}
