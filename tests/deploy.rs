//! `deploy/docker-compose.yml`, as a compose parser reads it, and `deploy/Dockerfile`.
#![cfg(all(unix, feature = "admin"))]

mod support;

use axum::Router;
use serde_json::Value;
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;
use support::server::Server;
use support::tools::{file, run, succeed, text_of, tool};
use support::web::serve;

const COMPOSE: &str = "deploy/docker-compose.yml";

static DOCKER_COMPOSE: LazyLock<String> = LazyLock::new(|| tool("COMPOSE", "compose.sh"));

fn config(path: &str) -> Command {
    let mut command = Command::new(&*DOCKER_COMPOSE);
    command.args(["--file", path, "config"]);
    command.env_remove("NB_CACHE__ADMIN_TOKEN");
    command
}

/// The file with everything resolved.
static RESOLVED: LazyLock<Value> = LazyLock::new(|| {
    let text = succeed(&mut config(&file(COMPOSE)));
    serde_saphyr::from_str(&text).expect("YAML")
});

fn service(name: &str) -> &'static Value {
    let service = &RESOLVED["services"][name];
    assert!(service.is_object(), "{:#}", *RESOLVED);
    service
}

/// A port as both versions of the parser write it: `host:published:target`.
fn port(port: &Value) -> String {
    match port.as_str() {
        Some(short) => short.trim_end_matches("/tcp").to_owned(),
        None => {
            let published = port["published"].as_str().expect("a port");
            let host = port["host_ip"].as_str().unwrap_or("0.0.0.0");
            format!("{host}:{published}:{}", port["target"])
        }
    }
}

/// The same of a volume: `source:target:rw`.
fn volume(volume: &Value) -> String {
    match volume.as_str() {
        Some(short) => short.to_owned(),
        None => {
            let part = |name: &str| volume[name].as_str().expect("a path");
            let mode = if volume["read_only"] == true {
                "ro"
            } else {
                "rw"
            };
            format!("{}:{}:{mode}", part("source"), part("target"))
        }
    }
}

fn all(list: &Value, short: fn(&Value) -> String) -> Vec<String> {
    let list = list.as_array().map_or(&[][..], Vec::as_slice);
    list.iter().map(short).collect()
}

#[test]
fn redis_is_as_it_is_specified() {
    let redis = service("redis");
    assert_eq!(redis["image"], "redis:7-alpine");
    assert_eq!(redis["container_name"], "neuralblitz-redis");
    assert_eq!(all(&redis["ports"], port), ["127.0.0.1:6379:6379"]);
    let networks = redis["networks"].as_object().expect("networks");
    assert!(networks.keys().eq(["neuralblitz-network"]), "{networks:?}");
    let conf = file("deploy/redis.conf");
    let expected = [
        "redis-data:/data:rw".to_owned(),
        format!("{conf}:/usr/local/etc/redis/redis.conf:ro"),
    ];
    assert_eq!(all(&redis["volumes"], volume), expected);
    let command = &redis["command"];
    assert_eq!(command[0], "redis-server");
    assert_eq!(command[1], "/usr/local/etc/redis/redis.conf");
    assert_eq!(command.as_array().map(Vec::len), Some(2));
}

#[test]
fn all_services_share_a_network_and_publish_on_loopback_alone() {
    let services = RESOLVED["services"].as_object().expect("services");
    assert!(
        services
            .keys()
            .eq(["app", "grafana", "prometheus", "redis"])
    );
    for (name, service) in services {
        assert!(service["networks"].get("neuralblitz-network").is_some());
        let ports = all(&service["ports"], port);
        assert!(!ports.is_empty(), "{name}");
        for port in ports {
            assert!(port.starts_with("127.0.0.1:"), "{name}: {port}");
        }
    }
    let network = &RESOLVED["networks"]["neuralblitz-network"];
    assert_eq!(network["name"], "neuralblitz-network");
}

#[test]
fn what_is_mounted_is_there() {
    let volumes = RESOLVED["volumes"].as_object().expect("volumes");
    for service in RESOLVED["services"].as_object().expect("services").values() {
        for volume in all(&service["volumes"], volume) {
            let source = volume.split(':').next().expect("a source");
            let there = volumes.contains_key(source) || Path::new(source).exists();
            assert!(there, "{volume}");
        }
    }
    let build = &service("app")["build"];
    let context = Path::new(build["context"].as_str().expect("a context"));
    assert_eq!(context, Path::new(env!("CARGO_MANIFEST_DIR")));
    let dockerfile = build["dockerfile"].as_str().expect("a file");
    assert!(context.join(dockerfile).exists());
}

#[test]
fn the_dashboard_is_mounted_where_grafana_looks_for_it() {
    let provider = text_of("deploy/grafana/provisioning/dashboards/neuralblitz.yml");
    let provider: Value = serde_saphyr::from_str(&provider).expect("YAML");
    let path = provider["providers"][0]["options"]["path"]
        .as_str()
        .expect("a path");
    let grafana = service("grafana");
    let mounts = all(&grafana["volumes"], volume);
    for mount in [
        format!("{}:{path}:ro", file("deploy/grafana/dashboards")),
        format!(
            "{}:/etc/grafana/provisioning:ro",
            file("deploy/grafana/provisioning")
        ),
    ] {
        assert!(mounts.contains(&mount), "{mount}");
    }
    let home = &grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"];
    assert_eq!(*home, format!("{path}/neuralblitz-cache.json"));
}

#[test]
fn the_app_finds_redis_and_may_do_little() {
    let app = service("app");
    assert_eq!(app["environment"]["REDIS_URL"], "redis://redis:6379/0");
    assert_eq!(app["read_only"], true);
    assert_eq!(app["cap_drop"][0], "ALL");
    // A token of the shell is handed on, and there is none otherwise.
    let variable = "NB_CACHE__ADMIN_TOKEN";
    assert!(app["environment"][variable].is_null());
    let mut command = config(&file(COMPOSE));
    let text = succeed(command.env(variable, "a token of the shell"));
    assert!(text.contains("a token of the shell"), "{text}");
}

#[test]
fn the_parser_refuses_what_is_wrong() {
    let good = text_of(COMPOSE);
    let dir = tempfile::tempdir().expect("a folder");
    for (right, wrong) in [
        ("image: redis", "imagee: redis"),
        ("- redis-data:", "- no-such-volume:"),
        ("\"127.0.0.1:6379:6379\"", "\"127.0.0.1:6379:none\""),
    ] {
        let bad = good.replacen(right, wrong, 1);
        assert_ne!(bad, good);
        let path = dir.path().join("docker-compose.yml");
        std::fs::write(&path, bad).expect("written");
        let output = run(&mut config(path.to_str().expect("text")));
        assert!(!output.status.success(), "{wrong}: {output:?}");
    }
}

/// The instructions of the Dockerfile, each on one line.
fn instructions() -> Vec<String> {
    let text = text_of("deploy/Dockerfile").replace("\\\n", " ");
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(str::to_owned).collect()
}

#[test]
fn hadolint_finds_nothing_in_the_dockerfile() {
    let hadolint = tool("HADOLINT", "hadolint.sh");
    let said = succeed(Command::new(&hadolint).arg(file("deploy/Dockerfile")));
    assert_eq!(said, "");
    let dir = tempfile::tempdir().expect("a folder");
    let bad = text_of("deploy/Dockerfile").replace("WORKDIR /src", "WORKDIR src");
    let path = dir.path().join("Dockerfile");
    std::fs::write(&path, bad).expect("written");
    let output = run(Command::new(&hadolint).arg(path));
    assert!(!output.status.success(), "{output:?}");
}

#[test]
fn the_image_is_built_apart_and_is_not_run_by_root() {
    let instructions = instructions();
    let froms = instructions.iter().filter(|line| line.starts_with("FROM "));
    assert_eq!(froms.count(), 2);
    let users: Vec<_> = instructions
        .iter()
        .filter_map(|line| line.strip_prefix("USER "))
        .collect();
    assert_eq!(users, ["10001:10001"]);
    let last = instructions
        .iter()
        .rposition(|line| line.starts_with("FROM "));
    let user = instructions
        .iter()
        .rposition(|line| line.starts_with("USER "));
    assert!(user > last, "it is the user of the last stage");
}

/// The command of the health check, for another address.
fn health_check(address: &str) -> Command {
    let instructions = instructions();
    let check = instructions
        .iter()
        .find(|line| line.starts_with("HEALTHCHECK "));
    let (_, command) = check
        .expect("a check")
        .split_once(" CMD ")
        .expect("a command");
    let words: Vec<String> = serde_json::from_str(command).expect("a list");
    let words: Vec<_> = words
        .iter()
        .map(|word| word.replace("127.0.0.1:3000", address))
        .collect();
    assert!(words.iter().any(|word| word.contains(address)));
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]);
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn the_health_check_tells_a_server_that_answers_from_one_that_does_not() {
    let server = Server::start(&[]).await;
    assert_eq!(succeed(&mut health_check(&server.address)), "");
    let other = serve(Router::new()).await;
    let missing = run(&mut health_check(&other.address.to_string()));
    assert!(!missing.status.success(), "{missing:?}");
    let address = server.address.clone();
    drop(server);
    let refused = async || run(&mut health_check(&address));
    support::until("nobody listens", async || !refused().await.status.success()).await;
}
