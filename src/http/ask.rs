//! The first steps of a request: is it ours, what is its key, can the local tier answer at
//! once. Nothing here waits, and a hit allocates nothing but its head.

use super::layer::Shared;
use super::nested::{decline, depth, hint};
use super::origin::{matched_path, original_uri};
use super::reply::Form;
use super::write::Write;
use crate::cache::Inner;
use crate::clock::Timestamp;
use crate::config::RouteRules;
use crate::entry::Entry;
use crate::key::{KeyRules, RequestKey, RequestView};
use crate::observe::{Passed, Route};
use crate::policy::Credentials;
use crate::policy::admit::{Admitted, NotOurs, admit, authority};
use crate::policy::fields::{Fields, Said};
use crate::policy::invalidation::is_safe;
use crate::policy::normal;
use crate::policy::reuse::{Demand, Reuse, reuse};
use crate::store::{Tier, Tiers};
use http::{HeaderMap, Method, Request, Uri};
use hyper::body::Body;
use std::sync::Arc;
use std::time::Duration;

/// How a request goes on.
pub(super) enum Begin {
    Hit(Hit),
    /// Boxed: it goes where there is waiting anyway.
    Ask(Box<Ask>),
    Pass(Passed),
    /// A rule of this layer leaves it alone; so do the layers further in.
    Bypass,
    /// Changes something.
    Write(Box<Write>),
}

/// A fresh entry of the local tier.
pub(super) struct Hit {
    pub(super) entry: Arc<Entry>,
    pub(super) tier: Tier,
    pub(super) now: Timestamp,
    pub(super) head: bool,
    pub(super) conditional: bool,
    pub(super) ranged: bool,
}

impl Ask {
    pub(super) fn form(&self) -> Form<'_> {
        Form {
            head: self.head,
            conditional: self.conditional.then_some(&self.headers),
            ranged: self.ranged.then_some(&self.headers),
        }
    }
}

/// What must be known of a request after it has gone to the handler.
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(super) struct Ask {
    pub(super) key: RequestKey<'static>,
    /// Where the key stands in tables of this process.
    pub(super) place: u64,
    /// What it is counted by.
    pub(super) route: Route,
    pub(super) headers: HeaderMap,
    pub(super) demand: Demand,
    pub(super) head: bool,
    /// Carries credentials.
    pub(super) guarded: bool,
    pub(super) conditional: bool,
    /// Asks for a part.
    pub(super) ranged: bool,
    /// For how long one instance may fetch for all; zero: each fetches for itself.
    pub(super) lease: Duration,
}

pub(super) fn begin<B: Body>(shared: &Shared, request: &Request<B>) -> Begin {
    let extensions = request.extensions();
    if request.method() != Method::GET && request.method() != Method::HEAD {
        let invalidates = shared.cache.inner.config.invalidate && !is_safe(request.method());
        return match invalidates && depth(extensions, &shared.cache) == 0 {
            true => Begin::Write(Box::new(Write::of(request, as_get(shared, request)))),
            false => Begin::Pass(Passed::Method),
        };
    }
    let depth = depth(extensions, &shared.cache);
    if depth > 0 && !shared.own {
        hint(extensions, &shared.cache, &shared.hints);
        return Begin::Pass(Passed::Nested);
    }
    if depth > 0 {
        decline(extensions, &shared.cache);
    }
    looked_up(shared, request, depth)
}

/// The GET that a POST may answer too (RFC 9110 §9.3.3).
fn as_get<B>(shared: &Shared, request: &Request<B>) -> Option<Ask> {
    let (headers, uri) = (request.headers(), original_uri(request));
    let cache = &shared.cache.inner;
    let route = cache.config.routes.find(uri.path());
    let view = RequestView {
        method: &Method::GET,
        uri,
        headers,
        extensions: request.extensions(),
    };
    let fields = Fields::of(headers, credentials(shared, route), &shared.key);
    let left_alone = request.method() != Method::POST
        || !cache.config.rules.posted
        || shared.bypass.as_ref().is_some_and(|bypass| bypass(&view))
        || route.is_some_and(|route| route.bypass)
        || [Said::Upgrade, Said::Partial, Said::Conditional]
            .map(|said| fields.say(said))
            .contains(&true);
    if left_alone {
        return None;
    }
    let key = key_of(&shared.key, authority(uri, &fields)?, &view, request.uri());
    Some(Ask {
        place: cache.store.local.place(&key, &[]),
        route: route_of(cache, request, uri),
        key: key.into_owned(),
        headers: normal::selecting(headers, cache.config.normal),
        demand: Demand::of(headers, &fields, cache.config.client_directives),
        head: false,
        guarded: fields.say(Said::Credential),
        conditional: false,
        ranged: false,
        lease: Duration::ZERO,
    })
}

/// The key of a request that the handler sees as `uri`.
#[inline]
fn key_of<'a>(
    rules: &KeyRules,
    authority: &'a str,
    view: &RequestView<'a>,
    uri: &Uri,
) -> RequestKey<'a> {
    let mut key = rules.key(authority, view);
    if !std::ptr::eq(view.uri, uri) && view.uri != uri {
        key.rewritten(uri);
    }
    key
}

/// What counts as credentials in requests for this.
fn credentials<'a>(shared: &'a Shared, route: Option<&'a RouteRules>) -> &'a Credentials {
    let of_route = || route?.credentials.as_ref();
    let own = shared.credentials.as_ref();
    let general = &shared.cache.inner.config.credentials;
    own.or_else(of_route).unwrap_or(general)
}

/// In a request: for how long one instance may fetch for all, in the place of what settings say.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ForAll(pub(crate) Duration);

/// For how long one instance may fetch for all; zero where each keeps its own.
fn lease<B>(shared: &Shared, route: Option<&RouteRules>, request: &Request<B>) -> Duration {
    if shared.tiers(original_uri(request).path()) == Tiers::Local {
        return Duration::ZERO;
    }
    if let Some(ForAll(time)) = request.extensions().get() {
        return *time;
    }
    let of_route = || route?.lease;
    let general = shared.cache.inner.config.lease;
    shared.lease.or_else(of_route).unwrap_or(general)
}

/// The authority that a request is for; `None`: it names two, or none that can be read.
pub(super) fn host<B>(request: &Request<B>) -> Option<&str> {
    let nothing = (Credentials::none(), KeyRules::new());
    let fields = Fields::of(request.headers(), &nothing.0, &nothing.1);
    authority(original_uri(request), &fields)
}

fn looked_up<B: Body>(shared: &Shared, request: &Request<B>, depth: u8) -> Begin {
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
        return Begin::Bypass;
    }
    let fields = Fields::of(headers, credentials(shared, route), &shared.key);
    let has_content = !request.body().is_end_stream();
    let guarded = match admit(method, &fields, has_content) {
        Ok(admitted) => admitted == Admitted::Guarded,
        Err(why) => return Begin::Pass(passed(why)),
    };
    if route.is_some_and(|route| route.bypass) {
        return Begin::Pass(Passed::Route);
    }
    let Some(authority) = authority(uri, &fields) else {
        return Begin::Pass(Passed::Authority);
    };
    let mut key = key_of(&shared.key, authority, &view, request.uri());
    key.depth = depth;
    let demand = Demand::of(headers, &fields, cache.config.client_directives);
    let head = method == Method::HEAD;
    let now = cache.clock.now();
    let (found, tier) = match cache.store.at_once(&key, headers, now) {
        (Some(record), _) if record.is_vary() => at_once_in_one_spelling(cache, &key, headers, now),
        found => found,
    };
    if let Some(entry) = found.filter(|entry| !entry.is_vary())
        && reuse(&entry.facts(), &demand, guarded, now) == Reuse::Fresh
    {
        return Begin::Hit(Hit {
            entry,
            tier,
            now,
            head,
            conditional: fields.say(Said::Conditional),
            ranged: fields.say(Said::Partial),
        });
    }
    Begin::Ask(Box::new(Ask {
        place: cache.store.local.place(&key, &[]),
        route: route_of(cache, request, uri),
        key: key.into_owned(),
        headers: normal::selecting(headers, cache.config.normal),
        demand,
        head,
        guarded,
        conditional: fields.say(Said::Conditional),
        ranged: fields.say(Said::Partial),
        lease: lease(shared, route, request),
    }))
}

fn passed(why: NotOurs) -> Passed {
    match why {
        NotOurs::Method => Passed::Method,
        NotOurs::Content => Passed::Content,
        NotOurs::Upgrade => Passed::Upgrade,
        NotOurs::Precondition => Passed::Precondition,
    }
}

/// The pattern that the router matched, else that of the settings.
fn route_of<B>(cache: &Inner, request: &Request<B>, uri: &Uri) -> Route {
    let pattern = matched_path(request).or_else(|| cache.config.routes.pattern(uri.path()));
    pattern.map_or(Route::default(), |pattern| cache.observer.route(pattern))
}

/// Only who varies needs its fields in their one spelling.
#[cold]
fn at_once_in_one_spelling(
    cache: &Inner,
    key: &RequestKey<'_>,
    headers: &HeaderMap,
    now: Timestamp,
) -> (Option<Arc<Entry>>, Tier) {
    let headers = normal::selecting(headers, cache.config.normal);
    cache.store.at_once(key, &headers, now)
}
