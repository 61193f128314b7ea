//! Files in every form in which Tyk and its Dashboard give them away.

use serde_json::{Value, json};

use super::{Fault, Files, World};

/// The faults of a world whose definitions and policies come in other wrappings.
fn wrapped(world: &World, wrap: fn(Vec<Value>) -> Value) -> Vec<Fault> {
    let mut files = Files::default();
    let definitions = world.files.iter().filter(|(name, _)| name.starts_with("apps/"));
    let definitions: Vec<_> = definitions.map(|(_, value)| value.clone()).collect();
    let count = definitions.len();
    files.add_definitions("export.json", wrap(definitions)).unwrap();
    assert_eq!(files.definitions.len(), count, "each of them is read");
    let policies = world.files["policies.json"].as_object().unwrap();
    let policies: Vec<_> = policies.values().cloned().collect();
    files.add_policies("policies.json", json!({ "Data": policies, "Pages": 1 })).unwrap();
    let site = crate::cli::tyk::site::Site::new(&world.config, None);
    let report = super::examine(&site, &files, world.edition);
    report.findings().iter().map(|finding| finding.fault).collect()
}

#[test]
fn exports_are_read_as_the_files_themselves() {
    let wraps: [fn(Vec<Value>) -> Value; 4] = [
        |all| json!(all),
        |all| json!({ "apis": all }),
        |all| {
            let all: Vec<_> = all.into_iter().map(|one| json!({ "api_definition": one })).collect();
            json!({ "apis": all, "pages": 1 })
        },
        |all| {
            let all: Vec<_> = all.into_iter().map(|one| json!({ "api_definition": one })).collect();
            json!({ "Message": all, "Nonce": "n" })
        },
    ];
    for mut world in [World::classic(), World::oas()] {
        for wrap in wraps {
            assert_eq!(wrapped(&world, wrap), []);
        }
        world.set("apps/plugged.json", "/custom_middleware/driver", json!("python"));
        for wrap in wraps {
            assert_eq!(wrapped(&world, wrap), [Fault::PluginDriver]);
        }
    }
}

#[test]
fn what_is_no_definition_and_no_policy_is_refused() {
    for odd in [json!([]), json!({}), json!("x"), json!({ "apis": [{ "name": "x" }] })] {
        let told = Files::default().add_definitions("odd.json", odd.clone()).unwrap_err();
        assert!(told.starts_with("odd.json: "), "{odd}");
        if !odd.as_array().is_some_and(Vec::is_empty) && odd != json!({}) {
            assert!(Files::default().add_policies("odd.json", odd.clone()).is_err(), "{odd}");
        }
    }
}

#[test]
fn an_api_that_has_nothing_to_do_with_us_is_not_looked_at() {
    let mut world = World::classic();
    let foreign = json!({
        "api_id": "weather", "use_keyless": true, "strip_auth_data": true,
        "proxy": { "listen_path": "/weather/", "target_url": "http://weather" },
    });
    world.files.insert("apps/weather.json".to_owned(), foreign);
    assert_eq!(world.told(), "");
}
