//! The gRPC plugin, as an API's definition has it.

use serde::Deserialize as _;
use serde_json::Value;

use super::definition::{CONFIG_DATA, Definition, Form, HOOK_NAME, Names, STRIP, find};
use super::report::Report;
use super::road::{self, Pair};
use crate::domain::api::Guard;
use crate::domain::tyk::Fault;
use crate::protocol::coprocess::Asked;
use crate::protocol::json::FromObject;

const ON: Names =
    ("enable_coprocess_auth", "x-tyk-api-gateway.server.authentication.custom.enabled");
const DRIVER: Names =
    ("custom_middleware.driver", "x-tyk-api-gateway.middleware.global.pluginConfig.driver");
const EXTRACTOR: Names = (
    "custom_middleware.id_extractor",
    "x-tyk-api-gateway.server.authentication.custom.config.idExtractor",
);
/// Where the other hooks are.
const HOOKS: [Names; 8] = [
    ("custom_middleware.pre", "x-tyk-api-gateway.middleware.global.prePlugins"),
    ("custom_middleware.post", "x-tyk-api-gateway.middleware.global.postPlugins"),
    (
        "custom_middleware.post_key_auth",
        "x-tyk-api-gateway.middleware.global.postAuthenticationPlugins",
    ),
    ("custom_middleware.response", "x-tyk-api-gateway.middleware.global.responsePlugins"),
    ("", "x-tyk-api-gateway.middleware.global.prePlugin.plugins"),
    ("", "x-tyk-api-gateway.middleware.global.postPlugin.plugins"),
    ("", "x-tyk-api-gateway.middleware.global.postAuthenticationPlugin.plugins"),
    ("", "x-tyk-api-gateway.middleware.global.responsePlugin.plugins"),
];

pub(super) fn examine(pair: &Pair<'_>, report: &mut Report) {
    let definition = pair.definition;
    let (file, whole) = (definition.file.as_str(), definition.whole());
    if !definition.plugin_is_on() {
        report.note(Fault::PluginOff, file, whole.field(ON));
    }
    let driver = whole.text(DRIVER);
    if driver != "grpc" {
        report.differs(Fault::PluginDriver, (file, whole.field(DRIVER)), driver, "grpc");
    }
    if whole.text(HOOK_NAME).is_empty() {
        report.note(Fault::PluginHook, file, whole.field(HOOK_NAME));
    }
    // A gateway has one gRPC server for all hooks.
    let other = |names: &&Names| {
        whole.value(**names).and_then(Value::as_array).is_some_and(|hooks| !hooks.is_empty())
    };
    if let Some(names) = HOOKS.iter().find(other).filter(|_| driver == "grpc") {
        report.note(Fault::PluginHook, file, whole.field(*names));
    }
    let swaps = asked(pair, report) || pair.api.exchange.is_some();
    if swaps && definition.strips() {
        report.note(Fault::StripAuthorization, file, whole.field(STRIP));
    }
    if extracts(definition) {
        let fault = if swaps { Fault::IdExtractorWithExchange } else { Fault::IdExtractor };
        report.note(fault, file, whole.field(EXTRACTOR));
    }
}

/// Whether there is an id extractor that Tyk would use: exports have an empty one.
fn extracts(definition: &Definition) -> bool {
    let whole = definition.whole();
    whole.value(EXTRACTOR).is_some_and(|extractor| match definition.form {
        Form::Classic => {
            let with = extractor.get("extract_with").and_then(Value::as_str);
            let disabled = extractor.get("disabled") == Some(&Value::Bool(true));
            with.is_some_and(|with| !with.is_empty()) && !disabled
        }
        Form::Oas => extractor.get("enabled") == Some(&Value::Bool(true)),
    })
}

/// Looks at what the plugin is told; says whether that asks for an exchange.
fn asked(pair: &Pair<'_>, report: &mut Report) -> bool {
    let Pair { site, definition, api } = pair;
    let (file, whole) = (definition.file.as_str(), definition.whole());
    let field = |name: &str| format!("{}.tessera{name}", whole.field(CONFIG_DATA));
    if is_disabled(definition) {
        report.note(Fault::ConfigDataDisabled, file, whole.field(CONFIG_DATA));
        return false;
    }
    let Some(value) = definition.asked() else {
        report.note(Fault::ConfigDataMissing, file, whole.field(CONFIG_DATA));
        return false;
    };
    let Ok(asked) = Asked::deserialize(value) else {
        report.note(Fault::ConfigDataUnreadable, file, field(""));
        return false;
    };
    if asked.api != api.name {
        report.differs(Fault::ConfigDataApi, (file, field(".api")), &asked.api, &api.name);
    }
    // A swap that the definition asks for needs it whatever guards the API.
    if api.guard == Guard::Secret || asked.secret.is_some() || asked.exchange.is_some() {
        road::secret((file, field(".secret")), asked.secret.as_deref(), report);
    }
    if let Some(FromObject(swap)) = &asked.exchange {
        let client = site.config.clients.iter().find(|client| client.id == api.client);
        let rules = client.map_or(&[][..], |client| client.exchange.as_slice());
        let fits = rules.iter().any(|rule| {
            rule.resource == swap.resource
                && swap.scopes.iter().all(|name| rule.scopes.contains(name))
        });
        if !fits {
            report.note(Fault::ConfigDataExchange, file, field(".exchange"));
        }
    }
    asked.exchange.is_some()
}

fn is_disabled(definition: &Definition) -> bool {
    let whole = definition.whole();
    match definition.form {
        Form::Classic => whole.flag(("config_data_disabled", "")),
        Form::Oas => {
            let data = whole.value(("", "x-tyk-api-gateway.middleware.global.pluginConfig.data"));
            data.is_some_and(|data| find(data, "enabled") != Some(&Value::Bool(true)))
        }
    }
}
