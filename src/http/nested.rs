//! What handlers and inner layers say to the layer that stores.
//!
//! Layers of one cache find each other by a note in the request's extensions. An inner layer
//! writes on it before the handler runs, so that nothing between the layers can lose what it
//! says.

use super::tags::Tagging;
use crate::cache::Cache;
use crate::config::Stale;
use crate::sync::{Arc, Mutex, lock};
use http::Extensions;
use std::time::Duration;

/// A response extension: how long this response stays fresh. It wins over every setting but
/// [`class_max_ttl`](crate::CacheConfigBuilder::class_max_ttl), and over `Cache-Control`, but not
/// over `no-store`, `private` or the credentials rule. Zero: do not store.
///
/// ```
/// use axum::{Extension, response::IntoResponse};
/// use neuralblitz_cache::CacheTtl;
/// use std::time::Duration;
///
/// async fn handler() -> impl IntoResponse {
///     (Extension(CacheTtl(Duration::from_secs(5))), "for five seconds")
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheTtl(pub Duration);

/// What layers say that matters only once the handler ran.
#[derive(Clone, Debug, Default)]
pub(super) struct Hints {
    pub(super) ttl: Option<Duration>,
    pub(super) override_ttl: Option<Duration>,
    pub(super) class: Option<Arc<str>>,
    pub(super) stale: Stale,
    pub(super) tagging: Tagging,
}

impl Hints {
    /// `self`, and where it is silent, `outer`: the nearest to the handler wins.
    pub(super) fn or(self, outer: &Self) -> Self {
        Self {
            ttl: self.ttl.or(outer.ttl),
            override_ttl: self.override_ttl.or(outer.override_ttl),
            class: self.class.or_else(|| outer.class.clone()),
            stale: self.stale.or(outer.stale),
            tagging: self.tagging.and(&outer.tagging),
        }
    }
}

/// One layer's note, written on by the layers of its cache further in.
#[derive(Clone, Debug)]
pub(super) struct Note {
    cache: usize,
    said: Arc<Mutex<Said>>,
}

#[derive(Debug, Default)]
struct Said {
    hints: Hints,
    /// An inner layer caches by rules of its own.
    declined: bool,
}

impl Note {
    pub(super) fn of(cache: &Cache) -> Self {
        Self {
            cache: id(cache),
            said: Arc::default(),
        }
    }

    /// The hints of the inner layers; `None`: one of them caches by itself.
    pub(super) fn read(&self) -> Option<Hints> {
        let said = lock(&self.said);
        (!said.declined).then(|| said.hints.clone())
    }
}

fn id(cache: &Cache) -> usize {
    Arc::as_ptr(&cache.inner).addr()
}

/// A request extension: the notes of all layers that the request has passed.
#[derive(Clone, Debug, Default)]
struct Notes(Vec<Note>);

/// Puts a note on the request for the layers further in.
pub(super) fn leave_note(extensions: &mut Extensions, note: Note) {
    let mut notes: Notes = extensions.remove().unwrap_or_default();
    notes.0.push(note);
    extensions.insert(notes);
}

/// How many layers of `cache` the request has passed.
#[inline]
pub(super) fn depth(extensions: &Extensions, cache: &Cache) -> u8 {
    match extensions.is_empty() {
        true => 0,
        false => u8::try_from(notes(extensions, cache).count()).unwrap_or(u8::MAX),
    }
}

/// Hands hints to the layers of `cache` further out.
pub(super) fn hint(extensions: &Extensions, cache: &Cache, hints: &Hints) {
    for note in notes(extensions, cache) {
        let mut said = lock(&note.said);
        said.hints = hints.clone().or(&said.hints);
    }
}

/// Tells the layers of `cache` further out not to store.
pub(super) fn decline(extensions: &Extensions, cache: &Cache) {
    for note in notes(extensions, cache) {
        lock(&note.said).declined = true;
    }
}

fn notes<'a>(extensions: &'a Extensions, cache: &Cache) -> impl Iterator<Item = &'a Note> {
    let id = id(cache);
    let notes = extensions.get::<Notes>().map_or(&[][..], |notes| &notes.0);
    notes.iter().filter(move |note| note.cache == id)
}
