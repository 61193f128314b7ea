//! What a `scope` parameter asks for: one API, and some of what it offers.

use super::apps::{APIS, Api, GRAPH};
use super::people::Person;
use super::refusal::OAuthError;
use super::tenant::World;

/// Scopes about the sign-in, not about an API.
const SIGN_IN: [&str; 4] = ["email", "offline_access", "openid", "profile"];
/// Everything that was consented to.
const DEFAULT: &str = ".default";

/// A `scope` parameter, read.
#[derive(Debug)]
pub(super) struct Requested<'f> {
    api: &'static Api,
    scopes: Vec<&'f str>,
    openid: bool,
}

impl<'f> Requested<'f> {
    /// Reads `api://orders/orders.read openid` and the like. The API goes by its identifier URI or
    /// its application id, and Graph by its real address or the look-alike's.
    pub(super) fn parse(world: &World, text: &'f str) -> Result<Self, OAuthError> {
        let mut found: Option<&'static Api> = None;
        let mut scopes = Vec::new();
        let of_apis = text.split(' ').filter(|word| !word.is_empty() && !SIGN_IN.contains(word));
        for word in of_apis {
            let (resource, scope) = word.rsplit_once('/').ok_or_else(|| refused(word))?;
            let api = find_api(world, resource).ok_or_else(|| {
                let text = format!("no API is called '{resource}'");
                OAuthError::new("invalid_resource", 500_011, text)
            })?;
            if found.is_some_and(|other| other != api) {
                let text = "a token is for one API; the scopes name several";
                return Err(OAuthError::new("invalid_scope", 28000, text));
            }
            found = Some(api);
            scopes.push(scope);
        }
        let api = found.ok_or_else(|| refused(text))?;
        Ok(Self { api, scopes, openid: text.split(' ').any(|word| word == "openid") })
    }

    /// For an application itself: only everything.
    pub(super) fn for_app(&self) -> Result<&'static Api, OAuthError> {
        if self.scopes.as_slice() == [DEFAULT] {
            return Ok(self.api);
        }
        let text = "an application asks for '<api>/.default'; its rights are roles";
        Err(OAuthError::new("invalid_scope", 1_002_012, text))
    }

    /// For a person: what was asked for, if the API has it and the person consented.
    pub(super) fn for_person(
        &self,
        person: &Person,
    ) -> Result<(&'static Api, Vec<&'f str>), OAuthError> {
        let consented = |scope: &&str| person.scopes.contains(scope);
        let scopes: Vec<&'f str> = if self.scopes.contains(&DEFAULT) {
            self.api.scopes.iter().copied().filter(consented).collect()
        } else {
            self.scopes.clone()
        };
        if let Some(unknown) = scopes.iter().find(|scope| !self.api.scopes.contains(scope)) {
            return Err(refused(unknown));
        }
        if scopes.is_empty() || !scopes.iter().all(consented) {
            let text = "the user has not consented to what the application asks for";
            return Err(OAuthError::new("invalid_grant", 65001, text));
        }
        Ok((self.api, scopes))
    }

    /// Whether an ID token is asked for too (OpenID Connect).
    pub(super) const fn wants_id_token(&self) -> bool {
        self.openid
    }
}

fn find_api(world: &World, resource: &str) -> Option<&'static Api> {
    let resource = resource.trim_end_matches('/');
    if resource == world.authority {
        return APIS.iter().find(|api| **api == GRAPH);
    }
    APIS.iter().find(|api| [api.uri, api.client_id].contains(&resource))
}

fn refused(scope: &str) -> OAuthError {
    OAuthError::new("invalid_scope", 70011, format!("'{scope}' is no scope of an API here"))
}
