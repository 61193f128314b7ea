//! `tessera audit`: looks whether a trail is whole, and writes it in a form that others read.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, Subcommand};
use secrecy::zeroize::Zeroizing;

use super::output::{complain, say};
use super::{Answer, Failure};
use crate::domain::audit::chain::Hasher;
use crate::domain::audit::ocsf;
use crate::domain::audit::verify::{Seen, Verifier};
use crate::domain::rejection::safe;

/// Longest line that is read, in bytes: what is longer is no record, and read as several.
const LONGEST_LINE: u64 = 1024 * 1024;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    order: Order,
}

#[derive(Debug, Subcommand)]
enum Order {
    /// Look whether records were removed, altered, moved or put in
    ///
    /// Give all files of a trail, oldest first; lines of several replicas may stand among each other.
    /// What is missing at either end leaves no gap: `--from-start` and `--head` look for that.
    Verify {
        /// The file with the key of the trail (`audit.key`), if it has one
        #[arg(long, value_name = "FILE")]
        key_file: Option<PathBuf>,
        /// A hash that must be there, as the service's log told it; may be given several times
        #[arg(long, value_name = "HASH")]
        head: Vec<String>,
        /// Every chain must be there from its first record on
        #[arg(long)]
        from_start: bool,
        /// The files; `-` is standard input
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// Write records as events of the Open Cybersecurity Schema Framework (OCSF), one JSON a line
    Ocsf {
        /// The files; `-` is standard input
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
}

pub(super) fn run(arguments: &Arguments) -> Result<Answer, Failure> {
    match &arguments.order {
        Order::Verify { key_file, head, from_start, files } => {
            verify(key_file.as_deref(), (head, *from_start), files)
        }
        Order::Ocsf { files } => convert(files),
    }
}

fn verify(
    key_file: Option<&Path>,
    (heads, from_start): (&[String], bool),
    files: &[PathBuf],
) -> Result<Answer, Failure> {
    let mut verifier = Verifier::new(key_file.map_or(Ok(Hasher::Plain), keyed)?);
    let mut missing: Vec<&str> = heads.iter().map(String::as_str).collect();
    let mut faults = 0_usize;
    for file in files {
        lines_of(file, |number, line| {
            missing.retain(|head| !is_hash_of(line, head));
            if let Some(finding) = verifier.line(line) {
                faults = faults.saturating_add(1);
                say(format_args!("{}:{number}: {finding}", file.display()));
            }
        })?;
    }
    for head in &missing {
        faults = faults.saturating_add(1);
        say(format_args!("no record has the hash {}: what it ended was cut off", safe(head)));
    }
    for (name, seen) in verifier.chains() {
        say(summary(name, seen));
        if from_start && seen.first > 0 {
            faults = faults.saturating_add(1);
        }
    }
    if verifier.chains().is_empty() {
        faults = faults.saturating_add(1);
        say("there is no record");
    }
    say(if faults == 0 { "whole".to_owned() } else { format!("{faults} faults") });
    Ok(if faults == 0 { Answer::Yes } else { Answer::No })
}

fn summary(name: &str, seen: &Seen) -> String {
    let Seen { first, last, head, closed, killed, repeated, .. } = seen;
    let name = safe(name);
    [
        Some(format!("chain {name}: records {first} to {last}, the last hash {head}")),
        (*first > 0).then(|| "what came before is not among these files".to_owned()),
        (!closed).then(|| "open: the service runs, or was killed".to_owned()),
        (*killed > 0).then(|| format!("began {killed} times without having stopped in order")),
        (*repeated > 0).then(|| format!("{repeated} stand there twice")),
    ]
    .into_iter()
    .flatten()
    .collect::<Vec<_>>()
    .join("; ")
}

fn convert(files: &[PathBuf]) -> Result<Answer, Failure> {
    let mut all = true;
    for file in files {
        lines_of(file, |number, line| {
            if let Some(event) = ocsf::event(line) {
                return say(event);
            }
            all = false;
            complain(format_args!("{}:{number}: not an audit record", file.display()));
        })?;
    }
    Ok(if all { Answer::Yes } else { Answer::No })
}

/// The key, without the line end that editors put there.
fn keyed(path: &Path) -> Result<Hasher, Failure> {
    let text = std::fs::read_to_string(path);
    let text = Zeroizing::new(text.with_context(|| path.display().to_string())?);
    let line = text.strip_suffix('\n').unwrap_or(&text);
    Ok(Hasher::keyed(line.strip_suffix('\r').unwrap_or(line).as_bytes()))
}

fn is_hash_of(line: &[u8], head: &str) -> bool {
    line.strip_suffix(b"\"}").is_some_and(|line| line.ends_with(head.as_bytes()))
        && head.len() == 64
}

/// Each line of the file with its number, without its line end.
fn lines_of(path: &Path, mut line: impl FnMut(usize, &[u8])) -> Result<(), Failure> {
    let mut reader: Box<dyn std::io::BufRead> = if path == Path::new("-") {
        Box::new(std::io::stdin().lock())
    } else {
        let file = File::open(path).with_context(|| path.display().to_string())?;
        Box::new(BufReader::new(file))
    };
    for number in 1.. {
        let mut text = Vec::new();
        let read = reader.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut text);
        if read.with_context(|| path.display().to_string())? == 0 {
            break;
        }
        line(number, text.strip_suffix(b"\n").unwrap_or(&text));
    }
    Ok(())
}
