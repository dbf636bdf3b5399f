//! What a warming says in the log. One test, for what a process logs is decided once for all its
//! threads.

#[path = "support/lines.rs"]
mod lines;
mod support;
#[path = "support/warm_app.rs"]
mod warm_app;

use http::{HeaderValue, Uri, header};
use lines::Lines;
use neuralblitz_cache::{CacheConfig, WarmRequest};
use std::io;
use tracing::Level;
use warm_app::{App, request};

#[tokio::test]
async fn logs_tell_the_beginning_the_end_and_failures_and_no_query_and_no_field() {
    let lines = Lines::default();
    let _guard = tracing::subscriber::set_default(lines.clone());
    let app = App::new(CacheConfig::builder());
    let secret = HeaderValue::from_static("secret");
    let fields = request("/fails?b=secret").header(header::AUTHORIZATION, secret);
    let nameless = WarmRequest::get(Uri::from_static("/c?secret"));
    let requests = [request("/a?b=secret"), fields, nameless];
    let failing = || async { Err(io::Error::other("a reason")) };
    let sources = || async { Err::<[WarmRequest; 0], _>(io::Error::other("a cause")) };
    let warmup = app.warmup().concurrency(1).replay(requests);
    let warmup = warmup.load("loader", failing).replay_from(sources);
    assert_eq!(warmup.run().await.failed, 3);
    let all = lines.all();
    let of = |wanted: Level| {
        let lines = all.iter().filter(move |(level, _)| *level == wanted);
        lines.map(|(_, line)| line.as_str()).collect::<Vec<_>>()
    };
    let (infos, warnings) = (of(Level::INFO), of(Level::WARN));
    assert_eq!(infos.len(), 2, "it begins, it ends: {all:?}");
    assert!(infos[1].contains("failed=3"), "{infos:?}");
    let expected = [
        "a cause",
        "name no host",
        "\"/fails\"",
        "a reason",
        "\"loader\"",
    ];
    assert_eq!(warnings.len(), expected.len(), "{warnings:?}");
    for (line, part) in warnings.iter().zip(expected) {
        assert!(line.contains(part), "{line} {part}");
    }
    assert!(!format!("{all:?}").contains("secret"), "{all:?}");
}
