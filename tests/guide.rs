//! The chapters of the guide are where readers look for them.

mod support;

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
