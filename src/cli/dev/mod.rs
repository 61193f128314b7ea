//! `tessera dev`: the service, an Entra look-alike and a sample configuration in one process.

mod exchange;
mod gateways;
mod lines;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use clap::Args;

use super::stop::{Signals, runtime};
use super::{Answer, DevPorts, Failure, output};
use crate::adapters::clock::SystemClock;
use crate::app::App;
use crate::config::{self, AuditSink, Config, Endpoint, PlainSecrets, Report, SystemEnvironment};
use crate::dev::server::Running;
use crate::dev::tenant::{FakeEntra, KeySupply, Options};
use crate::ports::Clock;
use crate::telemetry::logs;

/// The sample, as it stands in the source.
const SAMPLE: &str = include_str!("tessera.yaml");
/// The look-alike's address in the sample.
const SAMPLE_AUTHORITY: &str = "http://127.0.0.1:8090";
/// The service's address in the sample, by which it is known as an issuer.
const SAMPLE_ISSUER: &str = "http://127.0.0.1:8080";

#[derive(Clone, Copy, Debug, Args)]
pub(super) struct Arguments {
    /// Run the Entra look-alike alone, beside a `tessera serve` that has it as `authority`
    #[arg(long)]
    entra_only: bool,
    #[command(flatten)]
    ports: DevPorts,
}

/// The sample configuration for a look-alike at `tenant_port`, and a service at `port`. Clients
/// compare the issuer with where they found it (RFC 8414 §3.3); port 0 is not known before it is
/// taken, so the issuer stays what it is.
fn sample(tenant_port: u16, port: u16) -> Result<Config, Report> {
    let issuer = if port == 0 { SAMPLE_ISSUER } else { &*format!("http://127.0.0.1:{port}") };
    let text = SAMPLE
        .replace(SAMPLE_AUTHORITY, &format!("http://127.0.0.1:{tenant_port}"))
        .replace(SAMPLE_ISSUER, issuer);
    config::load(&text, "the sample configuration", &SystemEnvironment, PlainSecrets::Allowed)
}

/// The sample with everything where `ports` say.
pub(super) fn configuration(ports: DevPorts) -> Result<Config, Report> {
    let mut config = sample(ports.tenant_port, ports.port)?;
    config.listen.public = local(ports.port);
    config.listen.admin = local(ports.admin_port);
    config.listen.tyk = Some(Endpoint::Tcp(local(ports.tyk_port)));
    config.listen.envoy = Some(Endpoint::Tcp(local(ports.envoy_port)));
    // Standard output is the guide's, and nothing here needs to be accounted for.
    config.audit.to = AuditSink::Nowhere;
    Ok(config)
}

pub(super) fn run(Arguments { entra_only, ports }: Arguments) -> Result<Answer, Failure> {
    let tenant = listen(ports.tenant_port)?;
    let tenant_port = tenant.local_addr().context("the look-alike has no address")?.port();
    let config = configuration(DevPorts { tenant_port, ..ports })?;
    let _logs = logs::start(config.log, None).map_err(anyhow::Error::from)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let options = Options { clock: Arc::clone(&clock), keys: KeySupply::Fresh };
    let tenant = FakeEntra::start(tenant, options).context("the look-alike does not start")?;
    if entra_only {
        run_alone(&tenant)?;
    } else {
        run_service(&config, clock, &tenant)?;
    }
    Ok(Answer::Yes)
}

fn run_service(config: &Config, clock: Arc<dyn Clock>, tenant: &Running) -> anyhow::Result<()> {
    runtime()?.block_on(async {
        let (stop, hurry) = (Signals::listen()?, Signals::listen()?);
        let app = App::bind(config, clock).map_err(|error| {
            anyhow!("{error}; choose another with --port, --admin-port, --tyk-port or --envoy-port")
        })?;
        output::say(lines::guide(&app, tenant.authority()));
        app.run(stop.first(), hurry.second()).await.context("a listener broke")
    })
}

fn run_alone(tenant: &Running) -> anyhow::Result<()> {
    runtime()?.block_on(async {
        let signals = Signals::listen()?;
        output::say(lines::alone(tenant.authority()));
        signals.first().await;
        Ok(())
    })
}

fn listen(port: u16) -> anyhow::Result<TcpListener> {
    TcpListener::bind(local(port)).with_context(|| {
        format!("cannot listen on 127.0.0.1:{port}; choose another port with --tenant-port")
    })
}

const fn local(port: u16) -> SocketAddr {
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}
