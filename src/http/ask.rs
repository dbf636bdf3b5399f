//! The first steps of a request: is it ours, what is its key, can the local tier answer at
//! once. Nothing here waits, and a hit allocates nothing but its head.

use super::layer::Shared;
use super::nested::{decline, depth, hint};
use super::origin::original_uri;
use super::reply::Form;
use crate::clock::Timestamp;
use crate::entry::Entry;
use crate::key::{RequestKey, RequestView};
use crate::policy::admit::{Admitted, admit, authority};
use crate::policy::fields::Fields;
use crate::policy::reuse::{Demand, Reuse, reuse};
use crate::store::{Found, Tier};
use http::{HeaderMap, Method, Request};
use hyper::body::Body;
use std::sync::Arc;

/// How a request goes on.
pub(super) enum Begin {
    Hit(Hit),
    /// Boxed: it goes where there is waiting anyway.
    Ask(Box<Ask>),
    Pass,
    /// A rule of this layer leaves it alone; so do the layers further in.
    Bypass,
}

/// A fresh entry of the local tier.
pub(super) struct Hit {
    pub(super) entry: Arc<Entry>,
    pub(super) tier: Tier,
    pub(super) now: Timestamp,
    pub(super) head: bool,
    pub(super) conditional: bool,
}

impl Ask {
    pub(super) fn form(&self) -> Form<'_> {
        Form {
            head: self.head,
            conditional: self.conditional.then_some(&self.headers),
        }
    }
}

/// What must be known of a request after it has gone to the handler.
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(super) struct Ask {
    pub(super) key: RequestKey<'static>,
    /// Where the key stands in tables of this process.
    pub(super) place: u64,
    pub(super) headers: HeaderMap,
    pub(super) demand: Demand,
    pub(super) head: bool,
    /// Carries credentials.
    pub(super) guarded: bool,
    pub(super) conditional: bool,
}

pub(super) fn begin<B: Body>(shared: &Shared, request: &Request<B>) -> Begin {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return Begin::Pass;
    }
    let extensions = request.extensions();
    let depth = depth(extensions, &shared.cache);
    if depth > 0 && !shared.own {
        hint(extensions, &shared.cache, &shared.hints);
        return Begin::Pass;
    }
    if depth > 0 {
        decline(extensions, &shared.cache);
    }
    admitted(shared, request, depth).unwrap_or(Begin::Pass)
}

/// `None`: not ours.
fn admitted<B: Body>(shared: &Shared, request: &Request<B>, depth: u8) -> Option<Begin> {
    let (method, headers) = (request.method(), request.headers());
    let cache = &shared.cache.inner;
    let uri = original_uri(request);
    let route = cache.config.routes.find(uri.path());
    let view = RequestView {
        method,
        uri,
        headers,
        extensions: request.extensions(),
    };
    if shared.bypass.as_ref().is_some_and(|bypass| bypass(&view)) {
        return Some(Begin::Bypass);
    }
    let credentials = shared
        .credentials
        .as_ref()
        .or_else(|| route?.credentials.as_ref())
        .unwrap_or(&cache.config.credentials);
    let fields = Fields::of(headers, credentials, &shared.key);
    let has_content = !request.body().is_end_stream();
    let guarded = admit(method, &fields, has_content)? == Admitted::Guarded;
    if route.is_some_and(|route| route.bypass) {
        return None;
    }
    let mut key = shared.key.key(authority(uri, &fields)?, &view);
    key.depth = depth;
    if !std::ptr::eq(uri, request.uri()) && uri != request.uri() {
        key.rewritten(request.uri());
    }
    let demand = Demand::of(headers, &fields, cache.config.client_directives);
    let head = method == Method::HEAD;
    let now = cache.clock.now();
    if let (Found::Entry(entry), tier) = cache.store.at_once(&key, headers, now)
        && reuse(&entry.facts(), &demand, guarded, now) == Reuse::Fresh
    {
        return Some(Begin::Hit(Hit {
            entry,
            tier,
            now,
            head,
            conditional: fields.conditional,
        }));
    }
    Some(Begin::Ask(Box::new(Ask {
        place: cache.store.local.place(&key, &[]),
        key: key.into_owned(),
        headers: headers.clone(),
        demand,
        head,
        guarded,
        conditional: fields.conditional,
    })))
}
