//! What is asked for at start: quantum capabilities, `NeuralBlitz` capabilities and
//! consciousness-level metrics, which the settings name, templates of API responses, and what
//! clients of the previous run asked for most.

use crate::demo::{Demo, TEMPLATES};
use axum::Router;
use axum::body::Body;
use neuralblitz_cache::{Cache, Warmed};
use std::convert::Infallible;
use std::io::{IsTerminal, Write, stderr};
use std::sync::Arc;

/// What clients asked for most that is asked for again, at most.
const HOTTEST: usize = 20;

/// The bar's width in characters.
const WIDTH: usize = 30;

/// Warms in the background; on a terminal a bar shows how far it is.
pub(crate) fn start(cache: &Cache, app: Router, demo: &Arc<Demo>) {
    let warmup = cache.warmup().through::<Body, _>(app).configured();
    let warmup = TEMPLATES.into_iter().fold(warmup, |warmup, name| {
        let demo = demo.clone();
        warmup.load(format!("template {name}"), move || async move {
            demo.template(name).await;
            Ok::<_, Infallible>(())
        })
    });
    let warmup = warmup.hottest(HOTTEST);
    let warmup = match stderr().is_terminal() {
        true => warmup.on_progress(draw),
        false => warmup,
    };
    warmup.start();
}

/// Draws over the line as it was; a terminal that is gone is no loss.
fn draw(warmed: &Warmed) {
    let (done, items) = (warmed.done(), warmed.items);
    let full = WIDTH * done / items.max(1);
    let (full, empty) = ("#".repeat(full), ".".repeat(WIDTH - full));
    let line = format!(
        "\rwarming [{full}{empty}] {done}/{items}, {} failed",
        warmed.failed
    );
    let end = if warmed.ended { "\n" } else { "" };
    let mut out = stderr();
    let _ = write!(out, "{line}{end}").and_then(|()| out.flush());
}
