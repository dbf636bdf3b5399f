//! The chapters of the guide are where readers look for them, and name what there is.
#![cfg(feature = "metrics")]

mod support;

use neuralblitz_cache::{Cache, CacheConfig};
use prometheus_client::encoding::text;
use support::tools::{file, text_of};

fn chapters() -> Vec<String> {
    let folder = std::fs::read_dir(file("src/guide")).expect("a folder");
    let names = folder.map(|found| found.expect("a file").file_name());
    let names = names.map(|name| name.into_string().expect("text"));
    let mut chapters: Vec<_> = names
        .filter_map(|name| Some(name.strip_suffix(".rs")?.to_owned()))
        .filter(|name| name != "mod")
        .collect();
    chapters.sort();
    assert!(chapters.len() >= 15, "{chapters:?}");
    chapters
}

#[test]
fn the_readme_links_to_each_chapter() {
    let readme = text_of("README.md");
    for chapter in chapters() {
        let link = format!("](src/guide/{chapter}.rs)");
        assert!(readme.contains(&link), "{chapter}");
    }
}

#[test]
fn the_guide_lists_each_chapter() {
    let guide = text_of("src/guide/mod.rs");
    for chapter in chapters() {
        let listed = format!("//! - [`{chapter}`]: ");
        assert!(guide.contains(&listed), "{chapter} is listed");
        let module = format!("pub mod {chapter};");
        assert!(guide.contains(&module), "{chapter} is a module");
    }
}

/// Words between backticks, labels of metrics left out.
fn quoted(text: &str) -> Vec<&str> {
    let words = text.split('`').skip(1).step_by(2);
    let words = words.map(|word| word.split('{').next().unwrap_or_default());
    words
        .filter(|word| !word.contains(char::is_whitespace))
        .collect()
}

/// The first cell and the last of each row of a chapter's tables.
fn columns(chapter: &str) -> Vec<(String, String)> {
    let text = text_of(&format!("src/guide/{chapter}.rs"));
    let rows = text.lines().filter_map(|line| line.strip_prefix("//! | "));
    rows.filter_map(|row| {
        let mut cells = row.trim_end_matches(" |").split(" | ");
        Some((cells.next()?.to_owned(), cells.last()?.to_owned()))
    })
    .collect()
}

#[test]
fn the_metrics_that_chapters_name_are_there() {
    let mut there = String::new();
    let cache = Cache::new(CacheConfig::default());
    text::encode(&mut there, &cache.metrics()).expect("encoded");
    let mut named = 0;
    for chapter in ["lifetimes", "tuning", "troubleshooting"] {
        let text = text_of(&format!("src/guide/{chapter}.rs"));
        let is_metric = |word: &&str| {
            let full = word.starts_with("neuralblitz_cache_");
            full || ["_total", "duration_seconds", "_under_way"]
                .iter()
                .any(|end| word.ends_with(end))
        };
        for word in quoted(&text).into_iter().filter(is_metric) {
            let name = word.trim_start_matches("neuralblitz_cache_");
            let name = format!("neuralblitz_cache_{name}");
            assert!(there.contains(&name), "{chapter} names {word}");
            named += 1;
        }
    }
    assert!(named > 15, "they are found: {named}");
}

#[test]
fn the_settings_that_tuning_names_are_there() {
    let schema = text_of("deploy/settings.schema.json");
    let mut named = 0;
    for (first, _) in columns("tuning") {
        let words = quoted(&first).into_iter();
        for word in words.filter(|word| !word.starts_with("maxmemory")) {
            assert!(schema.contains(&format!("\"{word}\"")), "{word}");
            named += 1;
        }
    }
    assert!(named > 20, "they are found: {named}");
}

#[test]
fn each_promise_names_tests_that_are_there() {
    let promises = columns("promises");
    assert!(promises.len() > 12, "{promises:?}");
    for (promise, shown_by) in promises.iter().filter(|(first, _)| first != "promise") {
        let tests = quoted(shown_by);
        assert!(!tests.is_empty(), "{promise}");
        for test in tests {
            let path = file(&format!("tests/{test}.rs"));
            assert!(std::fs::exists(&path).expect("told"), "{test}");
        }
    }
}
