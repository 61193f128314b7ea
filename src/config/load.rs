//! From the text of a file to a whole configuration, or to everything that is wrong with it.

use std::path::Path;

use super::apis::Beside;
use super::exchange::Surroundings;
use super::expand::{Environment, MAX_FILE_BYTES};
use super::names::Names;
use super::read::{Place, Reader, Section};
use super::report::{Problem, Report, Wrong};
use super::stated::Stated;
use super::values::{duration, issuer, one_of, size};
use super::{
    CacheBounds, Config, KeySetRules, Log, Shutdown, apis, audit, clients, clusters, listen, node,
    resources, rules, schema, signing, store, tenants, traces,
};
use crate::domain::tenant::Tenant;
use crate::protocol::time::Seconds;

/// Longest part of stopping.
const LONGEST_STOP: Seconds = Seconds::minutes(10);

/// Whether a secret may stand in the file itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlainSecrets {
    /// For `tessera dev`, whose secrets protect nothing.
    Allowed,
    /// A secret is one `${env:…}` or `${file:…}` and nothing else.
    Refused,
}

/// Reads the file at `path`, at most [`MAX_FILE_BYTES`] of UTF-8.
pub fn read_file(path: &Path, environment: &dyn Environment) -> Result<String, Report> {
    environment.file(path).map_err(|why| {
        let origin = path.display().to_string();
        whole_file(&origin, Wrong::new(format!("cannot read the file: {why}")))
    })
}

/// Makes a configuration of `text`, which came from `origin`; or reports everything that is wrong
/// with it.
pub fn load(
    text: &str,
    origin: &str,
    environment: &dyn Environment,
    plain: PlainSecrets,
) -> Result<Config, Report> {
    if u64::try_from(text.len()).is_ok_and(|bytes| bytes > MAX_FILE_BYTES) {
        let wrong = Wrong::new(format!("larger than {MAX_FILE_BYTES} bytes"));
        return Err(whole_file(origin, wrong));
    }
    let mut reader = Reader::new(text, environment, plain);
    let config = match node::parse(text) {
        Ok(node) => reader.file(&node).and_then(|file| read(&mut reader, &file)),
        Err((line, wrong)) => {
            reader.note(&Place { line, path: String::new() }, wrong);
            None
        }
    };
    let (problems, stated) = reader.finish();
    match config {
        Some(config) if problems.is_empty() => Ok(Config { stated, ..config }),
        _ => Err(Report::new(origin, problems)),
    }
}

fn whole_file(origin: &str, wrong: Wrong) -> Report {
    let Wrong { message, hint } = wrong;
    Report::new(origin, vec![Problem { line: 0, path: String::new(), message, hint }])
}

/// Every part is read, whatever is wrong with the others.
fn read(reader: &mut Reader<'_>, file: &Section<'_>) -> Option<Config> {
    let issuer = reader.value(file, "issuer", issuer);
    let listen = listen::read(reader, file);
    let (tenants, mut known) = tenants::read(reader, file);
    let clusters;
    (clusters, known.clusters) = clusters::read(reader, file, issuer.as_deref());
    let names = Names::of(file);
    let resources = resources::read(reader, file, &names, issuer.as_deref());
    let around = Surroundings { known: &known, names: &names, resources: &resources };
    let clients = clients::read(reader, file, &around);
    let issuers: Vec<_> = tenants.iter().map(Tenant::v2_issuer).collect();
    let issuers = (issuer.as_deref(), &*issuers);
    let beside = Beside { around: &around, clients: &clients, issuers };
    let apis = apis::read(reader, file, &beside);
    let mapping = rules::read(reader, file, &known);
    let key_sets = key_sets(reader, file);
    let store = store::read(reader, file);
    let signing = signing::read(reader, file, &store);
    let cache = cache(reader, file);
    let shutdown = shutdown(reader, file);
    let traces = traces::read(reader, file);
    let log = log(reader, file);
    let audit = audit::read(reader, file, &store);
    Some(Config {
        issuer: issuer?,
        listen: listen?,
        tenants,
        clusters,
        clients,
        resources,
        apis,
        mapping,
        key_sets: key_sets?,
        signing: signing?,
        redis: store.redis,
        cache: cache?,
        shutdown: shutdown?,
        traces,
        log: log?,
        audit: audit?,
        digest: reader.digest(),
        stated: Stated::default(),
    })
}

fn key_sets(reader: &mut Reader<'_>, file: &Section<'_>) -> Option<KeySetRules> {
    let section = reader.defaulted(file, "key_sets", &schema::KEY_SETS)?;
    let refresh = reader.amount(&section, "refresh", |text| {
        duration(text, Seconds::minutes(1), Seconds::hours(24))
    });
    let cooldown = reader
        .amount(&section, "cooldown", |text| duration(text, Seconds::new(10), Seconds::hours(1)));
    let least = refresh.unwrap_or(Seconds::minutes(1));
    let max_stale =
        reader.amount(&section, "max_stale", |text| duration(text, least, Seconds::hours(168)));
    Some(KeySetRules { refresh: refresh?, cooldown: cooldown?, max_stale: max_stale? })
}

fn cache(reader: &mut Reader<'_>, file: &Section<'_>) -> Option<CacheBounds> {
    let section = reader.defaulted(file, "cache", &schema::CACHE)?;
    reader.amount(&section, "bytes", size).map(|bytes| CacheBounds { bytes })
}

fn shutdown(reader: &mut Reader<'_>, file: &Section<'_>) -> Option<Shutdown> {
    let section = reader.defaulted(file, "shutdown", &schema::SHUTDOWN)?;
    let mut between =
        |name, least| reader.amount(&section, name, |text| duration(text, least, LONGEST_STOP));
    let drain = between("drain", Seconds::new(0));
    let grace = between("grace", Seconds::new(1));
    Some(Shutdown { drain: drain?, grace: grace? })
}

fn log(reader: &mut Reader<'_>, file: &Section<'_>) -> Option<Log> {
    let section = reader.defaulted(file, "log", &schema::LOG)?;
    let level = reader.value(&section, "level", one_of);
    let format = reader.value(&section, "format", one_of);
    Some(Log { level: level?, format: format? })
}
