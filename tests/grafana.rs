//! `deploy/grafana`: the dashboard and its provisioning. That each query returns data is shown in
//! `monitoring.rs`.

mod support;

use serde_json::Value;
use std::collections::HashSet;
use support::tools::text_of;

fn yaml(path: &str) -> Value {
    serde_saphyr::from_str(&text_of(path)).expect("YAML")
}

fn dashboard() -> Value {
    let text = text_of("deploy/grafana/dashboards/neuralblitz-cache.json");
    serde_json::from_str(&text).expect("JSON")
}

fn panels(dashboard: &Value) -> &[Value] {
    dashboard["panels"].as_array().expect("panels")
}

/// The cells of the grid, 24 wide, that a panel takes.
fn cells(panel: &Value) -> Vec<(u64, u64)> {
    let place = |name: &str| panel["gridPos"][name].as_u64().expect("a number");
    let (x, y, width, height) = (place("x"), place("y"), place("w"), place("h"));
    assert!(x + width <= 24, "{panel:#}");
    let rows = y..y + height;
    rows.flat_map(|row| (x..x + width).map(move |column| (column, row)))
        .collect()
}

#[test]
fn panels_have_ids_and_places_of_their_own() {
    let dashboard = dashboard();
    let (mut ids, mut taken) = (HashSet::new(), HashSet::new());
    for panel in panels(&dashboard) {
        assert!(
            ids.insert(panel["id"].as_u64().expect("an id")),
            "{panel:#}"
        );
        for cell in cells(panel) {
            assert!(taken.insert(cell), "{panel:#}");
        }
    }
}

#[test]
fn every_panel_has_a_title_a_unit_and_queries_of_the_chosen_jobs() {
    let dashboard = dashboard();
    let drawn = panels(&dashboard)
        .iter()
        .filter(|panel| panel["type"] != "row");
    for panel in drawn {
        assert!(panel["title"].is_string() && panel["fieldConfig"]["defaults"]["unit"].is_string());
        let targets = panel["targets"].as_array().expect("queries");
        assert!(!targets.is_empty(), "{panel:#}");
        for target in targets {
            let query = target["expr"].as_str().expect("a query");
            let selectors = query.matches('{').count();
            assert!(selectors > 0, "{query}");
            assert_eq!(query.matches("job=~\"$job\"").count(), selectors, "{query}");
            assert_eq!(target["datasource"]["uid"], "${datasource}");
        }
    }
}

#[test]
fn the_source_that_is_chosen_first_is_the_provisioned_one() {
    let sources = yaml("deploy/grafana/provisioning/datasources/prometheus.yml");
    let source = &sources["datasources"][0];
    let dashboard = dashboard();
    let first = &dashboard["templating"]["list"][0];
    assert_eq!(first["type"], "datasource");
    assert_eq!(first["query"], source["type"]);
    assert_eq!(first["current"]["value"], source["uid"]);
    assert_eq!(source["url"], "http://prometheus:9090");
    let scraped = yaml("deploy/prometheus/prometheus.yml");
    let interval = &scraped["global"]["scrape_interval"];
    assert_eq!(source["jsonData"]["timeInterval"], *interval);
}
