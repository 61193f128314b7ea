//! A real Prometheus, which looks once a second.

use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::process::Stdio;

use serde_json::Value;

use crate::cli::Folder;
use crate::gateways::program;
use crate::support::Answer;
use crate::support::process::{Running, free_port, log, wait_until};

/// The process and its folder, which are gone when it is dropped.
pub(super) struct Prometheus {
    address: SocketAddr,
    _running: Running,
    _folder: Folder,
}

impl Prometheus {
    /// Watches `targets` as the job `tessera`, by these rules.
    pub(super) fn watching(targets: &[SocketAddr], rules: &str) -> Self {
        let port = free_port();
        let folder = Folder::new(&format!("prometheus-{port}"));
        folder.file("rules.yaml", rules);
        let targets: Vec<_> = targets.iter().map(|target| format!("\"{target}\"")).collect();
        let file = folder.file("prometheus.yaml", &format!(
            "global: {{ scrape_interval: 1s, evaluation_interval: 1s }}\n\
             rule_files: [rules.yaml]\n\
             scrape_configs:\n\
             - job_name: tessera\n  static_configs: [{{ targets: [{}], labels: {{ namespace: edge }} }}]\n",
            targets.join(", ")
        ));
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let mut command = program("prometheus");
        command.arg(format!("--config.file={file}")).stdin(Stdio::null());
        command.arg(format!("--storage.tsdb.path={}/data", folder.path()));
        command.arg(format!("--web.listen-address={address}"));
        let mut running = Running::start(&mut command, &folder);
        wait_until("the start of prometheus", || {
            assert!(!running.has_ended(), "{}", log(&folder));
            log(&folder).contains("Server is ready to receive web requests")
        });
        Self { address, _running: running, _folder: folder }
    }

    /// What it answers at `path`, which must be a good answer.
    #[track_caller]
    pub(super) fn get(&self, path: &str, fields: &[(&str, &str)]) -> Value {
        let query =
            url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let mut stream = TcpStream::connect(self.address).unwrap();
        // The older version: an answer in one piece.
        write!(stream, "GET {path}?{query} HTTP/1.0\r\n\r\n").unwrap();
        let answer = Answer::read(&mut stream).json();
        assert_eq!(answer["status"], "success", "{fields:?}: {answer}");
        answer["data"].clone()
    }

    /// The labels of everything that a query finds.
    #[track_caller]
    pub(super) fn query(&self, query: &str) -> Vec<Value> {
        let data = self.get("/api/v1/query", &[("query", query)]);
        let found = data["result"].as_array().unwrap();
        found.iter().map(|one| one["metric"].clone()).collect()
    }
}
