//! Requests that change something: what is stored of it must not be served again
//! (RFC 9111 §4.4).

use super::ask::{Ask, host};
use super::body::CacheBody;
use super::find::Answer;
use super::layer::Shared;
use super::nested::{Note, leave_note};
use super::origin::original_uri;
use super::posted::Posted;
use super::tags::PurgeTags;
use crate::cache::Cache;
use crate::key::{tag_scope, uri_scopes};
use crate::policy::invalidation::invalidated;
use crate::policy::posted::answers_get;
use crate::policy::reference::{Base, Target};
use crate::policy::targeted;
use crate::stamp::{Order, Scope};
use crate::store::Applied;
use bytes::Buf;
use http::{Method, Request, Response};
use hyper::body::Body;
use std::sync::Arc;
use tower::Service;
use tower::util::ServiceExt;

/// What must be known of a request after it has gone to the handler.
pub(super) struct Write {
    method: Method,
    scheme: Option<String>,
    /// `None`: it names two, or none that can be read.
    authority: Option<String>,
    path: String,
    query: Option<String>,
    /// What the answer may be stored for.
    get: Option<Ask>,
}

impl Write {
    pub(super) fn of<B>(request: &Request<B>, get: Option<Ask>) -> Self {
        let uri = original_uri(request);
        Self {
            method: request.method().clone(),
            scheme: uri.scheme_str().map(str::to_owned),
            authority: host(request).map(str::to_ascii_lowercase),
            path: uri.path().to_owned(),
            query: uri.query().map(str::to_owned),
            get,
        }
    }

    /// Whether the response is that of a GET too.
    fn answers_get<B>(&self, cache: &Cache, response: &Response<B>) -> bool {
        let (status, headers) = (response.status(), response.headers());
        let control = targeted::control(headers, &cache.inner.config.targeted);
        answers_get(&self.base(), status, headers, &control)
    }

    fn base(&self) -> Base<'_> {
        Base {
            scheme: self.scheme.as_deref(),
            authority: self.authority.as_deref().unwrap_or_default(),
            path: &self.path,
            query: self.query.as_deref(),
        }
    }

    /// What the response makes worthless.
    fn order<B>(&self, cache: &Cache, response: &Response<B>) -> Order {
        let (status, headers) = (response.status(), response.headers());
        let targets = invalidated(&self.method, &self.base(), status, headers);
        if targets.is_empty() {
            return Order::default();
        }
        let tags = response.extensions().get::<PurgeTags>();
        let tags = tags.map_or(&[][..], |tags| &tags.0);
        let uris = targets.iter().flat_map(|target| self.scopes(cache, target));
        Order {
            scopes: uris.chain(tags.iter().map(|tag| tag_scope(tag))).collect(),
            ..Order::default()
        }
    }

    /// By all rules by which layers of this cache read URIs; under every authority, if that of
    /// the request is not known.
    fn scopes(&self, cache: &Cache, target: &Target) -> Vec<Scope> {
        let rules = cache.inner.known_rules();
        let scope = |rules: &crate::key::UriRules| {
            let key = rules.key(&target.authority, &target.path, target.query.as_deref());
            let [exact, any_authority] = uri_scopes(&key);
            match self.authority {
                Some(_) => exact,
                None => any_authority,
            }
        };
        rules.iter().map(scope).collect()
    }
}

/// Runs the handler; a response that says it has done its work goes out when what it changed is
/// purged, on all instances if Redis takes it within its time.
pub(super) async fn write<S, ReqB, ResB>(
    shared: Arc<Shared>,
    handler: S,
    mut request: Request<ReqB>,
    mut write: Box<Write>,
) -> Answer<ResB, S::Error>
where
    S: Service<Request<ReqB>, Response = Response<ResB>>,
    ResB: Body<Data: Buf> + Send + 'static,
{
    let get = write.get.take();
    let posted = match &get {
        Some(get) => Some(Posted::begin(&shared, get).await),
        None => None,
    };
    // The layers further in leave it to this one.
    let note = Note::of(&shared.cache);
    leave_note(request.extensions_mut(), note.clone());
    let run = handler.oneshot(request);
    let response = match &posted {
        Some(posted) => posted.watch(run).await,
        None => run.await,
    }?;
    let order = write.order(&shared.cache, &response);
    let posted = posted.filter(|_| write.answers_get(&shared.cache, &response));
    let (parts, body) = response.into_parts();
    let kept = match posted {
        Some(posted) => posted.decide(parts, note.read(), &body),
        None => Err(parts),
    };
    let kept = match kept {
        Ok(kept) => kept.if_unpurged().await,
        Err(parts) => Err(parts),
    };
    let purge = (!order.is_empty()).then(|| shared.cache.apply(&order));
    let purge = async {
        match purge {
            Some(purge) => purge.await,
            None => Applied::Queued,
        }
    };
    match kept {
        Ok(kept) => Ok(kept.store(body, purge).await),
        Err(parts) => {
            // Queued, it is in force here, and will be elsewhere.
            let _ = purge.await;
            Ok(Response::from_parts(parts, CacheBody::pass(body)))
        }
    }
}
