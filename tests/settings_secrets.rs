//! What is secret in settings is shown by no error and by no output.

#[path = "support/written.rs"]
mod written;

use neuralblitz_cache::SettingsErrorKind as Kind;
use written::{load, refused, value};

const SECRET: &str = "geheim-geheim";

#[test]
fn no_mistake_shows_a_secret_wherever_it_stands() {
    for text in [
        format!("REDIS:\n  password: [{SECRET}]\n"),
        format!("REDIS:\n  password: {{a: {SECRET}}}\n"),
        format!("REDIS:\n  password: {SECRET}\n  port: x\n"),
        format!("REDIS:\n  password: {SECRET}\n  password: {SECRET}\n"),
        format!("REDIS:\n  password: \"{SECRET}\n"),
        format!("REDIS:\n  password: '{SECRET}' {SECRET}\n"),
        format!("REDIS:\n  password: {SECRET}: {SECRET}\n"),
        format!("REDIS:\n  password: *{SECRET}\n"),
        format!("REDIS:\n  password: !!int {SECRET}\n"),
        format!("REDIS:\n  password: !!binary {SECRET}\n"),
        format!("REDIS:\n  password: %{SECRET}\n"),
        format!("REDIS:\n  password: @{SECRET}\n"),
        format!("REDIS:\n  password:\n\t{SECRET}\n"),
        format!("REDIS:\n  port: {SECRET}\n"),
        format!("REDIS:\n  retry_on_timeout: {SECRET}\n"),
        format!("REDIS:\n  socket_timeout: {SECRET}\n"),
        format!("REDIS: {SECRET}\n"),
        format!("{SECRET}\n"),
        format!("CACHE:\n  admin_token: [{SECRET}]\n"),
        format!("CACHE:\n  client_directives: {SECRET}\n"),
        format!("CACHE:\n  local_bytes: {SECRET}\n"),
        format!("CACHE:\n  admin_token: {SECRET}\n  stamp_cells: 1\n"),
        format!("CACHE:\n  targeted: ['{SECRET} {SECRET}']\n"),
        format!("CACHE:\n  namespace: '{SECRET} {SECRET}'\n"),
        format!("CACHE:\n  routes: {{/a: {{class: {SECRET}}}}}\n"),
        format!("CACHE:\n  event_rules: [{{event: a, tags: ['{{{SECRET}']}}]\n"),
        format!("CACHE:\n  warm: [{{uri: {SECRET}}}]\n"),
    ] {
        refused(text);
    }
    // A number is no text, and is not shown either.
    let error = refused("REDIS:\n  password: 271828182845\n");
    let said = format!("{error} {error:?}");
    assert!(
        !said.contains("271828") && said.contains("in quotes"),
        "{said}"
    );
    assert_eq!(error.kind(), Kind::WrongType);
}

#[test]
fn no_output_shows_a_secret() {
    let text = format!(
        "REDIS: {{password: {SECRET}}}\nCACHE:\n  admin_token: {SECRET}\n  warm:\n  - uri: /a\n    headers: {{authorization: {SECRET}}}\n"
    );
    let settings = load(text).expect("usable");
    let shown: Vec<String> = settings.iter().map(ToString::to_string).collect();
    let all = format!("{settings:?} {:?} {}", settings.config(), shown.join("\n"));
    assert!(!all.contains("geheim"), "{all}");
    for path in [
        "REDIS.password",
        "CACHE.admin_token",
        "CACHE.warm[0].headers.authorization",
    ] {
        assert_eq!(value(&settings, path), "\"***\"", "{path}");
    }
}
