//! However the files change.

use std::fs;
use std::os::unix::fs::symlink;

use super::{KONG, Service, TYK, events, usual};
use crate::cli::Folder;
use crate::support::process::wait_until;

const NEXT_SECRET: &str = "tyk-live-secret-of-tomorrow-77d1e0c35a";

#[test]
fn what_kubernetes_swaps_by_a_link_is_taken_up_as_one() {
    let folder = Folder::new("live-kubernetes");
    let version = |number: u32, text: &str, secret: &str| {
        let path = format!("{}/..{number}", folder.path());
        fs::create_dir_all(&path).unwrap();
        fs::write(format!("{path}/tessera.yaml"), text).unwrap();
        fs::write(format!("{path}/tyk"), secret).unwrap();
        // As the kubelet does: one link, replaced as a whole.
        symlink(&path, format!("{}/..next", folder.path())).unwrap();
        let link = format!("{}/..data", folder.path());
        fs::rename(format!("{}/..next", folder.path()), link).unwrap();
    };
    version(1, "", TYK.1);
    for name in ["tessera.yaml", "tyk"] {
        symlink(format!("..data/{name}"), format!("{}/{name}", folder.path())).unwrap();
    }
    folder.file("kong", KONG.1);
    let path = folder.path().to_owned();
    let service = Service::at(Folder::new("live-kubernetes"), "tessera.yaml", |text| text);
    let token = service.token();
    assert_eq!(service.active(&token)["policies"][0], "p-1");
    let text = usual(service.entra.authority(), &path).replace("p-1", "p-2");
    service.after(|| version(2, &text, NEXT_SECRET));
    service.ask(TYK, &token).assert_error(401, "invalid_client");
    let body = service.ask((TYK.0, NEXT_SECRET), &token).json();
    assert_eq!(body["policies"][0], "p-2", "both at once");
    assert_eq!(service.changes("refused"), 0);
    assert_eq!(service.changes("applied"), 1);
}

#[test]
fn a_file_that_is_written_in_place_or_replaced_is_noticed_without_an_order() {
    let service = Service::start("written");
    let token = service.token();
    let text = service.text();
    service.after(|| fs::write(service.path("tessera.yaml"), text.replace("p-1", "p-2")).unwrap());
    assert_eq!(service.active(&token)["policies"][0], "p-2");
    service.after(|| service.replace("tessera.yaml", &text.replace("p-1", "p-3")));
    assert_eq!(service.active(&token)["policies"][0], "p-3");
    assert_eq!((service.changes("applied"), service.changes("unchanged")), (2, 0));
}

#[test]
fn an_order_finds_that_nothing_has_changed() {
    let service = Service::start("unchanged");
    service.hang_up();
    wait_until("a reading", || service.changes("unchanged") == 1);
    let now = service.configuration();
    assert_eq!(now["generation"], 1);
    assert_eq!(now["last_change"]["outcome"], "unchanged");
    // The same text again is not even a change.
    service.replace("tessera.yaml", &service.text());
    service.change(|text| text.replace("p-1", "p-2"));
    assert_eq!((service.changes("applied"), service.changes("unchanged")), (1, 1));
}

#[test]
fn a_file_that_is_gone_for_a_moment_is_waited_for() {
    let service = Service::start("gone");
    let token = service.token();
    let secret = service.path("tyk");
    fs::remove_file(&secret).unwrap();
    // An answer shows that the service runs; a second look needs a second of its time.
    service.active(&token);
    service.after(|| fs::write(&secret, NEXT_SECRET).unwrap());
    assert!(service.ask((TYK.0, NEXT_SECRET), &token).is_active());
    assert_eq!(service.changes("refused"), 0);
    fs::remove_file(&secret).unwrap();
    wait_until("a refusal", || service.changes("refused") == 1);
    assert!(service.ask((TYK.0, NEXT_SECRET), &token).is_active(), "the old secret is good");
    let refused = events(&service.log(), "configuration refused");
    let mistake = refused[0]["mistake"].as_str().unwrap();
    assert!(mistake.contains("tessera.yaml:11: clients.tyk.secret: cannot read"), "{mistake}");
    fs::write(&secret, NEXT_SECRET).unwrap();
    wait_until("what is in force", || service.changes("unchanged") == 1);
    assert_eq!(service.metric("tessera_config_last_reload_success"), 1);
}
