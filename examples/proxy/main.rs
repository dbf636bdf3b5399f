//! A caching reverse proxy: any HTTP/1.1 origin, behind the same layer that an app has.
//!
//! ```text
//! cargo run --release --example proxy -- --listen 127.0.0.1:8080 --origin http://127.0.0.1:8000
//! curl -i http://127.0.0.1:8080/
//! ```
//!
//! `--help` lists the flags. What is forwarded stays as it was, the fields of one connection and
//! `Via` of requests aside; a request goes to the origin at most once. HTTP/1 only, and no TLS: it is meant to
//! stand behind what speaks these.

mod flags;
mod forward;
mod hops;
mod interim;

use flags::{Command, Flags, HELP};
use forward::{Origin, Reply};
use http::header::COOKIE;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::ext::ReasonPhrase;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use interim::{Interim, Wire};
use neuralblitz_cache::{CacheBody, CacheConfig, CacheLayer, ClientDirectives, Credentials};
use std::convert::Infallible;
use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tower::{Layer, Service, service_fn};

/// Fields of one message; more are refused.
const MAX_FIELDS: usize = 512;

/// Every write that passes is a purge of its URI, which takes what shares its cell along.
const STAMP_CELLS: usize = 1 << 20;

#[tokio::main]
async fn main() -> ExitCode {
    let done = match Command::parse(std::env::args_os().skip(1)) {
        Ok(Command::Help) => {
            print!("{HELP}");
            Ok(())
        }
        Ok(Command::Serve(flags)) => run(&flags).await,
        Err(error) => Err(error.into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

async fn run(flags: &Flags) -> Result<(), Box<dyn Error>> {
    let layer = CacheLayer::new(config(flags)?);
    let cache = layer.cache();
    let address = &flags.listen;
    let listener = TcpListener::bind(address)
        .await
        .map_err(|e| format!("--listen: cannot listen on {address}: {e}"))?;
    println!("listening on http://{}", listener.local_addr()?);
    let origin = Origin::new(flags.origin.clone(), flags.timeout);
    tokio::select! {
        () = serve(listener, &layer, origin) => {}
        stop = tokio::signal::ctrl_c() => stop?,
    }
    cache.shutdown().await;
    Ok(())
}

fn config(flags: &Flags) -> Result<CacheConfig, String> {
    let credentials = match flags.ignore_cookies {
        true => Credentials::default().ignore(&COOKIE),
        false => Credentials::default(),
    };
    let builder = CacheConfig::builder()
        .api_response_ttl(flags.default_ttl)
        .stamp_cells(STAMP_CELLS)
        .stale_if_error(flags.stale_if_error)
        .store_set_cookie(flags.set_cookie)
        .targeted(flags.targeted.iter().cloned())
        .credentials(credentials)
        .client_directives(ClientDirectives::Obey)
        .heuristics(true)
        .validation(true)
        .must_revalidate_shares(true)
        .store_parts(true)
        .post_answers_get(true)
        .normalise_languages(true)
        .normalise_lists(true)
        // Which representation it is, the origin alone can say.
        .etag(false);
    let builder = match &flags.redis {
        Some(url) => builder.redis_url(url),
        None => builder,
    };
    builder.build().map_err(|e| format!("--redis: {e}"))
}

async fn serve(listener: TcpListener, layer: &CacheLayer, origin: Origin) {
    let origin = Arc::new(origin);
    let cached = layer.layer(service_fn(move |request| {
        let origin = origin.clone();
        async move { Ok::<_, Infallible>(origin.answer(request).await) }
    }));
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Most likely too many are open; some will be closed.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        // Without it a short answer may wait for the acknowledgement of the one before.
        let _ = stream.set_nodelay(true);
        let wire = Wire::new(stream);
        let (cached, interim) = (cached.clone(), wire.interim());
        let service = service_fn(move |request| last_hop(cached.clone(), interim.clone(), request));
        let service = TowerToHyperService::new(service);
        tokio::spawn(async move {
            let mut server = http1::Builder::new();
            server.timer(TokioTimer::new()).max_headers(MAX_FIELDS);
            // An error here is a client that broke off, or an answer that did; the connection
            // is closed in either case, and the others go on.
            let _ = server.serve_connection(TokioIo::new(wire), service).await;
        });
    }
}

/// The response as it goes out. The fields of the origin's connection are taken out here, above
/// the cache: they are meant for whoever receives them, and that is the cache too.
async fn last_hop<S>(
    mut cached: S,
    interim: Interim,
    mut request: Request<Incoming>,
) -> Result<Response<CacheBody<Reply>>, Infallible>
where
    S: Service<Request<Incoming>, Response = Response<CacheBody<Reply>>, Error = Infallible>,
{
    let trailers = hops::takes_trailers(request.headers());
    hops::strip_named(request.headers_mut());
    interim.open(&mut request);
    let response = cached.call(request).await;
    interim.close();
    let mut response = response?;
    hops::strip_response(response.headers_mut(), trailers);
    // hyper would write "<none>".
    if response.status().canonical_reason().is_none()
        && response.extensions().get::<ReasonPhrase>().is_none()
    {
        let none = ReasonPhrase::from_static(b"");
        response.extensions_mut().insert(none);
    }
    Ok(response)
}
