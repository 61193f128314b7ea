//! An API definition of Tyk's, in either of its two forms.

use serde_json::Value;

use crate::cli::tyk::site::HOOK;

/// The two forms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Classic,
    Oas,
}

/// How the two forms spell one setting, classic first: a path from a block.
pub(super) type Names = (&'static str, &'static str);

#[derive(Debug)]
pub(super) struct Definition {
    pub(super) file: String,
    pub(super) form: Form,
    value: Value,
}

/// A part of a definition.
#[derive(Clone, Debug)]
pub(super) struct Block<'d> {
    form: Form,
    value: &'d Value,
    at: String,
}

const SCHEMES: &str = "x-tyk-api-gateway.server.authentication.securitySchemes";

pub(super) const ID: Names = ("api_id", "x-tyk-api-gateway.info.id");
pub(super) const ORGANISATION: Names = ("org_id", "x-tyk-api-gateway.info.orgId");
pub(super) const LISTEN_PATH: Names =
    ("proxy.listen_path", "x-tyk-api-gateway.server.listenPath.value");
pub(super) const UPSTREAM: Names = ("proxy.target_url", "x-tyk-api-gateway.upstream.url");
pub(super) const AUTHENTICATION: Names =
    ("use_keyless", "x-tyk-api-gateway.server.authentication.enabled");
pub(super) const STRIP: Names =
    ("strip_auth_data", "x-tyk-api-gateway.server.authentication.stripAuthorizationData");
pub(super) const CONFIG_DATA: Names =
    ("config_data", "x-tyk-api-gateway.middleware.global.pluginConfig.data.value");
pub(super) const ENABLED: Names = ("enabled", "enabled");
pub(super) const HOOK_NAME: Names = (
    "custom_middleware.auth_check.name",
    "x-tyk-api-gateway.server.authentication.custom.config.functionName",
);

impl Definition {
    pub(super) const fn new(file: String, form: Form, value: Value) -> Self {
        Self { file, form, value }
    }

    /// The whole of it.
    pub(super) fn whole(&self) -> Block<'_> {
        Block { form: self.form, value: &self.value, at: String::new() }
    }

    pub(super) fn text(&self, names: Names) -> Option<&str> {
        find(&self.value, name(self.form, names))?.as_str()
    }

    fn flag(&self, names: Names) -> bool {
        self.whole().flag(names)
    }

    /// A classic definition that stands beside an `OpenAPI` document, which says the rest.
    pub(super) fn is_companion(&self) -> bool {
        self.form == Form::Classic && self.flag(("is_oas", "is_oas"))
    }

    /// No authentication at all.
    pub(super) fn is_keyless(&self) -> bool {
        match self.form {
            Form::Classic => self.flag(AUTHENTICATION),
            Form::Oas => !self.flag(AUTHENTICATION),
        }
    }

    /// Whether Tyk removes the credentials before the API.
    pub(super) fn strips(&self) -> bool {
        self.flag(STRIP)
    }

    /// External OAuth that asks an introspection endpoint; Tyk takes the first provider.
    pub(super) fn introspection(&self) -> Option<Block<'_>> {
        let outer = match self.form {
            Form::Classic => self.whole().inner("external_oauth").into_iter().collect(),
            Form::Oas => self.schemes(),
        };
        let enabled = |block: &Block<'_>| block.flag(ENABLED);
        let mut outer = outer.into_iter().filter(enabled);
        outer
            .find_map(|block| block.inner("providers")?.first()?.inner("introspection"))
            .filter(enabled)
    }

    /// The JWT middleware.
    pub(super) fn jwt(&self) -> Option<Block<'_>> {
        match self.form {
            Form::Classic => self.flag(("enable_jwt", "")).then(|| self.whole()),
            Form::Oas => {
                self.schemes().into_iter().find(|scheme| scheme.flag(ENABLED) && self.bears(scheme))
            }
        }
    }

    /// Whether a scheme is one of JSON Web Tokens.
    fn bears(&self, scheme: &Block<'_>) -> bool {
        let public = self.value.get("components").and_then(|value| value.get("securitySchemes"));
        let public = public.and_then(|schemes| schemes.get(scheme.last_name()));
        public.and_then(|scheme| scheme.get("scheme")?.as_str()) == Some("bearer")
    }

    /// The enterprise edition's exchange.
    pub(super) fn exchange(&self) -> Option<Block<'_>> {
        let schemes = if self.form == Form::Oas { self.schemes() } else { Vec::new() };
        let on = |block: &Block<'_>| block.flag(ENABLED);
        let mut schemes = schemes.into_iter().filter(on);
        schemes.find_map(|scheme| scheme.inner("tokenExchange").filter(on))
    }

    /// Whether an entry of `security` has a scheme of the one kind and one of the other.
    pub(super) fn are_required_together(&self, one: &Block<'_>, other: &Block<'_>) -> bool {
        let all = self.value.get("security").and_then(Value::as_array);
        // In its usual mode Tyk reads the first entry alone.
        let first = all.and_then(|entries| entries.first()?.as_object());
        first.is_some_and(|entry| {
            let names = entry.keys().map(String::as_str).collect::<Vec<_>>();
            names.contains(&one.last_name()) && names.contains(&other.scheme_name())
        })
    }

    /// Whether the plugin is meant to be asked, switched on or not.
    pub(super) fn has_plugin(&self) -> bool {
        self.plugin_is_on() || self.text(HOOK_NAME) == Some(HOOK) || self.asked().is_some()
    }

    pub(super) fn plugin_is_on(&self) -> bool {
        match self.form {
            Form::Classic => {
                let on = ["enable_coprocess_auth", "custom_plugin_auth_enabled"];
                on.into_iter().any(|name| self.flag((name, "")))
            }
            Form::Oas => ["enabled", "config.enabled"].into_iter().all(|name| {
                let path = format!("x-tyk-api-gateway.server.authentication.custom.{name}");
                find(&self.value, &path) == Some(&Value::Bool(true))
            }),
        }
    }

    /// What the definition says to the plugin.
    pub(super) fn asked(&self) -> Option<&Value> {
        find(&self.value, name(self.form, CONFIG_DATA))?.get("tessera")
    }

    /// Tyk's part of the security schemes.
    fn schemes(&self) -> Vec<Block<'_>> {
        let Some(Value::Object(schemes)) = find(&self.value, SCHEMES) else { return Vec::new() };
        let block =
            |(name, value)| Block { form: self.form, value, at: format!("{SCHEMES}.{name}") };
        schemes.iter().map(block).collect()
    }
}

impl<'d> Block<'d> {
    /// The path of a setting from the top of the definition.
    pub(super) fn field(&self, names: Names) -> String {
        let name = name(self.form, names);
        if self.at.is_empty() { name.to_owned() } else { format!("{}.{name}", self.at) }
    }

    pub(super) fn value(&self, names: Names) -> Option<&'d Value> {
        find(self.value, name(self.form, names))
    }

    pub(super) fn text(&self, names: Names) -> &'d str {
        self.value(names).and_then(Value::as_str).unwrap_or_default()
    }

    pub(super) fn flag(&self, names: Names) -> bool {
        self.value(names).and_then(Value::as_bool) == Some(true)
    }

    /// A list of texts, or one alone.
    pub(super) fn texts(&self, names: Names) -> Vec<&'d str> {
        match self.value(names) {
            Some(Value::String(text)) if !text.is_empty() => vec![text],
            Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        }
    }

    /// The part under `name`, which both forms spell alike.
    pub(super) fn inner(&self, name: &'static str) -> Option<Self> {
        let (value, at) = (self.value.get(name)?, self.field((name, name)));
        Some(Self { form: self.form, value, at })
    }

    /// The entries of a list.
    pub(super) fn entries(&self) -> Vec<Self> {
        let Value::Array(items) = self.value else { return Vec::new() };
        let entry =
            |(index, value)| Self { form: self.form, value, at: format!("{}[{index}]", self.at) };
        items.iter().enumerate().map(entry).collect()
    }

    fn first(&self) -> Option<Self> {
        self.entries().into_iter().next()
    }

    /// The last part of its path.
    fn last_name(&self) -> &str {
        self.at.rsplit('.').next().unwrap_or_default()
    }

    /// The scheme that this is a direct part of.
    fn scheme_name(&self) -> &str {
        self.at.rsplit('.').nth(1).unwrap_or_default()
    }
}

const fn name(form: Form, (classic, oas): Names) -> &'static str {
    match form {
        Form::Classic => classic,
        Form::Oas => oas,
    }
}

/// What stands at a path of names with dots between them.
pub(super) fn find<'v>(value: &'v Value, path: &str) -> Option<&'v Value> {
    path.split('.').try_fold(value, |value, name| value.get(name))
}
