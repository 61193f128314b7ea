//! `tessera tyk`: the Tyk side of the same configuration, as the files that Tyk reads.

mod classic;
mod gateway;
mod oas;
mod policies;
pub(super) mod site;

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, Subcommand, ValueEnum};
use serde_json::Value;

use super::output::{complain, say};
use super::{Answer, DevPorts, Failure, FileOrSample, load};
use crate::config::Config;
use crate::domain::api::{Api, Road, TykRoute};
use site::Site;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    order: Order,
}

#[derive(Debug, Subcommand)]
enum Order {
    /// Write the API definitions, one for each `apis.NAME.tyk`
    Api {
        #[command(flatten)]
        file: FileOrSample,
        #[command(flatten)]
        reached: Reached,
        /// Classic definitions, or `OpenAPI` documents with Tyk's extension
        #[arg(long, value_enum, default_value_t = Format::Classic)]
        format: Format,
        #[command(flatten)]
        place: Place,
        /// Which of `apis`; without a name, all that have `tyk`
        #[arg(value_name = "NAME")]
        names: Vec<String>,
    },
    /// Write one policy for every id that `mapping` grants; rates and quotas are yours to set
    Policies {
        #[command(flatten)]
        file: FileOrSample,
        #[command(flatten)]
        place: Place,
    },
    /// Write the parts of tyk.conf that concern tessera
    Gateway {
        #[command(flatten)]
        file: FileOrSample,
        #[command(flatten)]
        place: Place,
    },
}

/// Where Tyk reaches the service.
#[derive(Debug, Args)]
pub(super) struct Reached {
    /// Where Tyk reaches the public listener; without it, at the issuer
    #[arg(long, value_name = "URL")]
    at: Option<url::Url>,
}

impl Reached {
    /// What Tyk calls, with `config` behind it.
    pub(super) fn site<'c>(&self, config: &'c Config) -> Site<'c> {
        Site::new(config, self.at.as_ref())
    }
}

/// Where the files go.
#[derive(Debug, Args)]
struct Place {
    /// Write files into this folder instead of standard output
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// The two forms of an API definition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// One flat JSON object
    Classic,
    /// An `OpenAPI` document with the extension x-tyk-api-gateway
    Oas,
}

pub(super) fn run(arguments: &Arguments) -> Result<Answer, Failure> {
    match &arguments.order {
        Order::Api { file, reached, format, place, names } => {
            let config = load::file_or_sample(file, DevPorts::default())?;
            apis(&reached.site(&config), *format, place, names)
        }
        Order::Policies { file, place } => {
            let config = load::file_or_sample(file, DevPorts::default())?;
            let file = policies::skeleton(&config).map_err(Failure::Usage)?;
            place.write("policies.json", &file)?;
            complain("rates and quotas in policies.json are placeholders: set your own");
            Ok(Answer::Yes)
        }
        Order::Gateway { file, place } => {
            let config = load::file_or_sample(file, DevPorts::default())?;
            let file = gateway::parts(&config).map_err(Failure::Usage)?;
            place.write("tyk.conf.json", &file)?;
            complain("merge this into tyk.conf; paths are relative to where Tyk is started");
            Ok(Answer::Yes)
        }
    }
}

fn apis(
    site: &Site<'_>,
    format: Format,
    place: &Place,
    names: &[String],
) -> Result<Answer, Failure> {
    let chosen = chosen(site.config, names)?;
    let mut files = Vec::new();
    for (api, route) in &chosen {
        files.extend(definitions(site, (*api, *route), (format, place.out.is_some()))?);
    }
    let variables = site.variables(chosen.iter().map(|(api, _)| *api)).map_err(Failure::Usage)?;
    place.write_all(&files)?;
    for (client, variable) in variables {
        complain(format_args!(
            "set {variable} in the environment of the gateway to the secret of client `{client}`"
        ));
    }
    if chosen.iter().any(|(_, route)| route.road == Road::Exchange) {
        complain("token exchange needs Tyk's enterprise edition: others ignore it without a word");
    }
    Ok(Answer::Yes)
}

/// The files of one API, each with its name. In a folder, Tyk reads an `OpenAPI` document only beside
/// a classic definition.
fn definitions(
    site: &Site<'_>,
    main: (&Api, &TykRoute),
    (format, in_folder): (Format, bool),
) -> Result<Vec<(String, Value)>, Failure> {
    let name = &main.0.name;
    let wrong = |why: String| Failure::Usage(format!("apis.{name}: {why}"));
    let mut files = Vec::new();
    match format {
        Format::Classic => {
            let definition = classic::definition(site, main).map_err(wrong)?;
            files.push((format!("apps/{name}.json"), definition));
        }
        Format::Oas => {
            let definition = oas::definition(site, main).map_err(wrong)?;
            files.push((format!("apps/{name}-oas.json"), definition));
            if in_folder {
                let beside = classic::beside_oas(site, main).map_err(wrong)?;
                files.push((format!("apps/{name}.json"), beside));
            }
        }
    }
    Ok(files)
}

/// Everything that can be written for a configuration.
#[cfg(test)]
pub(super) fn written(config: &Config, format: Format) -> Result<Vec<(String, Value)>, Failure> {
    let site = Site::new(config, None);
    let mut files = Vec::new();
    for main in chosen(config, &[])? {
        files.extend(definitions(&site, main, (format, true))?);
    }
    files.push(("policies.json".to_owned(), policies::skeleton(config).map_err(Failure::Usage)?));
    files.push(("tyk.conf.json".to_owned(), gateway::parts(config).map_err(Failure::Usage)?));
    Ok(files)
}

/// The APIs that are asked for, each with how Tyk is to reach it.
fn chosen<'c>(
    config: &'c Config,
    names: &[String],
) -> Result<Vec<(&'c Api, &'c TykRoute)>, Failure> {
    let routed = |api: &'c Api| api.tyk.as_ref().map(|route| (api, route));
    for name in names {
        match config.apis.iter().find(|api| api.name == *name) {
            None => return Err(Failure::Usage(format!("apis.{name}: there is none"))),
            Some(api) if api.tyk.is_none() => {
                return Err(Failure::Usage(format!("apis.{name}: it has no `tyk`")));
            }
            Some(_) => {}
        }
    }
    let wanted = |api: &&Api| names.is_empty() || names.contains(&api.name);
    let chosen: Vec<_> = config.apis.iter().filter(wanted).filter_map(routed).collect();
    if chosen.is_empty() {
        return Err(Failure::Usage("no API of the file has `tyk`".to_owned()));
    }
    Ok(chosen)
}

impl Place {
    fn write(&self, name: &str, value: &Value) -> Result<(), Failure> {
        self.write_all(&[(name.to_owned(), value.clone())])
    }

    fn write_all(&self, files: &[(String, Value)]) -> Result<(), Failure> {
        let Some(folder) = &self.out else {
            match files {
                [(_, one)] => say(format_args!("{one:#}")),
                all => {
                    let all: Vec<_> = all.iter().map(|(_, value)| value).collect();
                    say(format_args!("{:#}", serde_json::json!(all)));
                }
            }
            return Ok(());
        };
        for (name, value) in files {
            let path = folder.join(name);
            write(&path, &format!("{value:#}\n"))
                .with_context(|| format!("cannot write {}", path.display()))?;
            say(path.display());
        }
        Ok(())
    }
}

fn write(path: &Path, text: &str) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(path, text)
}
