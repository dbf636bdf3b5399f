//! The service behind the cache: the origin.

use crate::{MAX_FIELDS, hops};
use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HOST, MAX_FORWARDS, TRANSFER_ENCODING,
};
use http::request::Parts;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, Version};
use http_body_util::{Either, Full};
use hyper::body::{Body, Incoming};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::error::Error;
use std::time::Duration;

/// The origin's content, or what is said in its place.
pub(crate) type Reply = Either<Incoming, Full<Bytes>>;

/// For how long a connection that is not in use is kept: an origin that closes it a little later
/// has not been sent a request meanwhile, as none is sent twice.
const IDLE: Duration = Duration::from_secs(1);

/// Why a request is answered here.
type Refusal = (StatusCode, &'static str);

pub(crate) struct Origin {
    client: Client<HttpConnector, Incoming>,
    authority: Authority,
    /// From the request to the head of the response.
    within: Duration,
}

impl Origin {
    pub(crate) fn new(authority: Authority, within: Duration) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            // Of what was never sent; what was sent is not sent again.
            .retry_canceled_requests(true)
            .http1_max_headers(MAX_FIELDS)
            .build(connector);
        Self {
            client,
            authority,
            within,
        }
    }

    /// The origin's response. A failure is a response too, as a gateway has to tell of it; the
    /// cache, above, takes a stale response in its place where it may.
    pub(crate) async fn answer(&self, request: Request<Incoming>) -> Response<Reply> {
        match self.ask(request).await {
            Ok(response) => response.map(Either::Left),
            Err(refusal) => refuse(refusal),
        }
    }

    async fn ask(&self, request: Request<Incoming>) -> Result<Response<Incoming>, Refusal> {
        let (mut parts, body) = request.into_parts();
        check(&parts)?;
        let streams = !body.is_end_stream() && !parts.headers.contains_key(CONTENT_LENGTH);
        name_host(&mut parts);
        hops::strip_request(&mut parts.headers, streams);
        hops::add_via(&mut parts.headers, parts.version);
        count_down(&mut parts)?;
        parts.uri = self.target(&parts.uri)?;
        parts.version = Version::HTTP_11;
        let asked = self.client.request(Request::from_parts(parts, body));
        match tokio::time::timeout(self.within, asked).await {
            Ok(Ok(response)) => received(response),
            Ok(Err(error)) => {
                eprintln!("the origin failed: {}", chain(&error));
                Err((StatusCode::BAD_GATEWAY, "the origin failed\n"))
            }
            Err(_) => Err((
                StatusCode::GATEWAY_TIMEOUT,
                "the origin did not answer in time\n",
            )),
        }
    }

    /// The same path and query, at the origin.
    fn target(&self, uri: &Uri) -> Result<Uri, Refusal> {
        let root = || PathAndQuery::from_static("/");
        let mut target = http::uri::Parts::default();
        target.scheme = Some(Scheme::HTTP);
        target.authority = Some(self.authority.clone());
        target.path_and_query = Some(uri.path_and_query().cloned().unwrap_or_else(root));
        let refusal = (StatusCode::BAD_REQUEST, "the request target is malformed\n");
        Uri::from_parts(target).map_err(|_| refusal)
    }
}

/// Refuses what cannot be forwarded as it was meant.
fn check(parts: &Parts) -> Result<(), Refusal> {
    let hosts = parts.headers.get_all(HOST).iter().count();
    if hosts > 1 || (hosts == 0 && parts.version == Version::HTTP_11) {
        // RFC 9112 §3.2.
        return Err((StatusCode::BAD_REQUEST, "there must be one Host\n"));
    }
    if parts.method == Method::CONNECT {
        return Err((StatusCode::NOT_IMPLEMENTED, "this is no tunnel\n"));
    }
    if !hops::is_decoded(&parts.headers) {
        // RFC 9112 §6.1.
        return Err((StatusCode::NOT_IMPLEMENTED, "unknown transfer coding\n"));
    }
    Ok(())
}

/// RFC 9110 §7.6.2: where a request may go no further it is for this proxy.
fn count_down(parts: &mut Parts) -> Result<(), Refusal> {
    if ![Method::TRACE, Method::OPTIONS].contains(&parts.method) {
        return Ok(());
    }
    let said = parts.headers.get(MAX_FORWARDS).map(HeaderValue::to_str);
    let Some(left) = said.and_then(|said| said.ok()?.parse::<u64>().ok()) else {
        return Ok(());
    };
    match left.checked_sub(1) {
        Some(left) => {
            parts.headers.insert(MAX_FORWARDS, left.into());
            Ok(())
        }
        None if parts.method == Method::OPTIONS => Err((StatusCode::OK, "a caching proxy\n")),
        None => Err((StatusCode::NOT_IMPLEMENTED, "this proxy traces nothing\n")),
    }
}

/// RFC 9112 §3.2.2: a target in absolute form says what the host is, whatever `Host` says.
fn name_host(parts: &mut Parts) {
    let authority = parts.uri.authority().map(Authority::as_str);
    let host = authority.and_then(|authority| authority.rsplit('@').next());
    if let Some(host) = host.and_then(|host| HeaderValue::from_str(host).ok()) {
        parts.headers.insert(HOST, host);
    }
}

fn received(mut response: Response<Incoming>) -> Result<Response<Incoming>, Refusal> {
    let is_final = !response.status().is_informational();
    if !is_final || !hops::is_decoded(response.headers()) || !frame_anew(response.headers_mut()) {
        let text = "the origin's response cannot be forwarded\n";
        return Err((StatusCode::BAD_GATEWAY, text));
    }
    *response.version_mut() = Version::HTTP_11;
    Ok(response)
}

/// RFC 9112 §6.3: content that came in a transfer coding has no other length, whatever
/// `Content-Length` says; and that must say one number, however often. False: it does not.
fn frame_anew(headers: &mut HeaderMap) -> bool {
    if headers.remove(TRANSFER_ENCODING).is_some() {
        headers.remove(CONTENT_LENGTH);
    }
    if !headers.contains_key(CONTENT_LENGTH) {
        return true;
    }
    let Some(length) = hops::length(headers) else {
        return false;
    };
    headers.insert(CONTENT_LENGTH, length.into());
    true
}

fn refuse((status, text): Refusal) -> Response<Reply> {
    let mut response = Response::new(Either::Right(Full::from(text)));
    *response.status_mut() = status;
    let fields = [(CONTENT_TYPE, "text/plain"), (CACHE_CONTROL, "no-store")];
    let fields = fields.map(|(name, value)| (name, HeaderValue::from_static(value)));
    response.headers_mut().extend(fields);
    response
}

/// An error and all its causes.
fn chain(error: &dyn Error) -> String {
    let causes = std::iter::successors(Some(error), |&error| error.source());
    let texts: Vec<String> = causes.map(ToString::to_string).collect();
    texts.join(": ")
}
