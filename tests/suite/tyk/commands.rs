//! The commands themselves: what they refuse, and what they say beside the files.

use serde_json::Value;

use super::{SECRETS, sample, tessera};
use crate::cli::{Folder, text};

/// The sample file with all roads, changed.
fn changed(folder: &Folder, from: &str, to: &str) -> String {
    let sample = std::fs::read_to_string(sample("oas")).unwrap();
    assert!(sample.contains(from), "{from}");
    folder.file("tessera.yaml", &sample.replace(from, to))
}

fn refused(arguments: &[&str], why: &str) {
    let ended = tessera(arguments);
    let told = text(&ended.stderr);
    assert_eq!(ended.status.code(), Some(2), "{arguments:?}: {told}");
    assert!(told.contains(why), "{arguments:?}: {told}");
    assert!(ended.stdout.is_empty(), "nothing is written by half");
}

#[test]
fn one_definition_goes_to_standard_output_and_its_variables_are_named() {
    let config = sample("oas");
    let ended = tessera(&["tyk", "api", "orders", "--config", &config]);
    let definition: Value = serde_json::from_slice(&ended.stdout).unwrap();
    assert_eq!(definition["config_data"]["tessera"]["secret"], "env://TESSERA_TYK_SECRET");
    let told = text(&ended.stderr);
    assert!(told.contains("set TESSERA_TYK_SECRET") && told.contains("client `tyk`"), "{told}");
    let some = ["tyk", "api", "orders", "onward", "--format", "oas", "--config", &config];
    let ended = tessera(&some);
    let all: Value = serde_json::from_slice(&ended.stdout).unwrap();
    assert_eq!(all.as_array().map(Vec::len), Some(2));
    let told = text(&ended.stderr);
    assert!(
        told.contains("TESSERA_MOBILE_GATEWAY_SECRET") && told.contains("enterprise"),
        "{told}"
    );
    let at = ["tyk", "api", "status", "--config", &config, "--at", "http://10.0.0.1:8080/"];
    let definition: Value = serde_json::from_slice(&tessera(&at).stdout).unwrap();
    let url = "/external_oauth/providers/0/introspection/url";
    assert_eq!(definition.pointer(url).unwrap(), "http://10.0.0.1:8080/introspect");
}

#[test]
fn what_tyk_cannot_do_is_refused_with_what_can() {
    let (folder, config) = (Folder::new("tyk-refused"), sample("oas"));
    let classic = |name: &'static str| ["tyk", "api", name, "--config", &config];
    refused(&classic("swapped"), "token exchange is no part of classic definitions");
    refused(&classic("tokens"), "cannot check the audience");
    refused(&classic("nothing"), "apis.nothing: there is none");
    refused(&["tyk", "api", "--config", &config, "--format", "raml"], "possible values");
    let oas = |config: &str, name: &str, why: &str| {
        refused(&["tyk", "api", name, "--format", "oas", "--config", config], why);
    };
    let both = "[https://orders.internal]\n    tyk: { road: jwt";
    let mixed = both.replace(
        "[https://orders.internal]",
        "[https://orders.internal, https://reports.internal]",
    );
    oas(&changed(&folder, both, &mixed), "tokens", "signed with ES256 and RS256");
    let status = "audiences: [api://status]\n    policies: optional";
    let needing = changed(&folder, status, "audiences: [api://status]");
    oas(&needing, "status", "this road cannot apply policies: use `road: plugin`");
    let nothing = changed(&folder, "policies: [gold, orders-read]", "roles: [r]");
    let nothing = std::fs::read_to_string(nothing).unwrap();
    let nothing = nothing.replace("policies: [silver, orders-read]", "roles: [r]");
    oas(&folder.file("none.yaml", &nothing), "tokens", "`mapping` grants no policy");
}

#[test]
fn variables_that_tyk_would_confuse_are_refused() {
    let folder = Folder::new("tyk-variables");
    let config = changed(&folder, "mobile.gateway", "tyk-secret");
    let all = ["tyk", "api", "--format", "oas", "--config", &config];
    refused(&all, "`tyk-secret` and `tyk` would share a variable");
    let one = tessera(&["tyk", "api", "orders", "--config", &config]);
    assert_eq!(one.status.code(), Some(0), "{}", text(&one.stderr));
}

#[test]
fn the_doctor_s_exit_code_says_whether_there_is_an_error() {
    let folder = Folder::new("tyk-doctor");
    let config = sample("classic");
    let golden = config.replace("tessera.yaml", "apps/tokens.json");
    let good = std::fs::read_to_string(golden).unwrap();
    let doctor = |text: &str| {
        let file = folder.file("tokens.json", text);
        tessera(&["doctor", "--config", &config, "--apis", &file])
    };
    let ended = doctor(&good);
    let told = text(&ended.stdout);
    assert_eq!(ended.status.code(), Some(0), "warnings alone are no error: {told}");
    assert!(told.contains("warning: tessera.yaml: apis.orders.tyk: api_missing:"), "{told}");
    let ended = doctor(&good.replace("\"ecdsa\"", "\"rsa\""));
    let told = text(&ended.stdout);
    assert_eq!(ended.status.code(), Some(1), "{told}");
    let line = told.lines().find(|line| line.starts_with("error: ")).unwrap();
    assert!(line.contains("tokens.json: jwt_signing_method: jwt_method: "), "{line}");
    assert!(line.contains("found rsa, expected ecdsa"), "{line}");
    assert_eq!(doctor("{").status.code(), Some(2));
    assert_eq!(doctor("{}").status.code(), Some(2));
    refused(&["doctor", "--config", &config], "nothing to look at");
    refused(&["doctor", "--config", &config, "--apis", "/nowhere.json"], "/nowhere.json: ");
    for (_, secret) in SECRETS {
        assert!(!told.contains(secret));
    }
}

#[test]
fn the_summary_of_check_counts_apis() {
    let ended = tessera(&["check", "--config", &sample("classic")]);
    let told = text(&ended.stdout);
    assert!(told.ends_with("1 tenant, 1 client, 2 mapping rules, 1 resource, 5 APIs\n"), "{told}");
}
