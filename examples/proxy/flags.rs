//! What the command line says.

use http::uri::{Authority, Scheme};
use http::{HeaderName, Uri};
use std::ffi::OsString;
use std::time::Duration;

pub(crate) const HELP: &str = "\
A caching reverse proxy.

Usage: proxy --origin URL [FLAGS]

  --origin URL          where requests go: http://host[:port]
  --listen ADDRESS      where it listens [127.0.0.1:8080]; port 0 is any free one
  --redis URL           a Redis that instances share: redis://[[user]:password@]host[:port][/db]
  --default-ttl SECONDS
                        how long a response is fresh that does not say so, and has no
                        Last-Modified to guess from [0]
  --allow-set-cookie    store responses with Set-Cookie
  --ignore-credential-cookies[=true|false]
                        a Cookie does not say who is asking [true]
  --targeted FIELDS     fields that go before Cache-Control (RFC 9213), the first first; may be
                        given again; empty: none [CDN-Cache-Control]
  --stale-if-error SECONDS
                        how long past its lifetime a response may stand in for an origin that
                        fails [60]
  --timeout SECONDS     how long the origin may take to begin its response [60]
  --help
";

pub(crate) enum Command {
    Help,
    Serve(Flags),
}

pub(crate) struct Flags {
    pub(crate) listen: String,
    pub(crate) origin: Authority,
    pub(crate) redis: Option<String>,
    pub(crate) default_ttl: Duration,
    pub(crate) set_cookie: bool,
    pub(crate) ignore_cookies: bool,
    pub(crate) targeted: Vec<HeaderName>,
    pub(crate) stale_if_error: Duration,
    pub(crate) timeout: Duration,
}

/// As they were given; what was not has its default in [`Given::finish`].
#[derive(Default)]
struct Given {
    listen: Option<String>,
    origin: Option<Authority>,
    redis: Option<String>,
    default_ttl: Option<Duration>,
    set_cookie: Option<bool>,
    ignore_cookies: Option<bool>,
    targeted: Option<Vec<HeaderName>>,
    stale_if_error: Option<Duration>,
    timeout: Option<Duration>,
}

impl Command {
    /// Reads the arguments, the program's own name left out.
    ///
    /// # Errors
    /// Names the first flag that cannot be used; never shows a value, which may hold a password.
    pub(crate) fn parse(arguments: impl Iterator<Item = OsString>) -> Result<Self, String> {
        let mut given = Given::default();
        let mut arguments = arguments.map(OsString::into_string);
        while let Some(argument) = arguments.next() {
            let argument = argument.map_err(|_| "an argument is not Unicode")?;
            let (flag, value) = match argument.split_once('=') {
                Some((flag, value)) => (flag, Some(value.to_owned())),
                None => (&*argument, None),
            };
            if flag == "--help" || flag == "-h" {
                return Ok(Self::Help);
            }
            let value = match value {
                None if !is_switch(flag) => arguments
                    .next()
                    .transpose()
                    .map_err(|_| not_unicode(flag))?,
                value => value,
            };
            given.take(flag, value.as_deref())?;
        }
        given.finish().map(Self::Serve)
    }
}

/// Whether a flag may stand without a value, and never has the next argument for one.
fn is_switch(flag: &str) -> bool {
    matches!(flag, "--allow-set-cookie" | "--ignore-credential-cookies")
}

fn not_unicode(flag: &str) -> String {
    format!("{flag}: must be Unicode")
}

impl Given {
    fn take(&mut self, flag: &str, value: Option<&str>) -> Result<(), String> {
        let given = value.ok_or("needs a value");
        let text = given.map(str::to_owned);
        let taken = match flag {
            "--listen" => text.map(|text| self.listen = Some(text)),
            "--origin" => given.and_then(origin).map(|url| self.origin = Some(url)),
            "--redis" => text.map(|text| self.redis = Some(text)),
            "--default-ttl" => seconds(given).map(|ttl| self.default_ttl = Some(ttl)),
            "--stale-if-error" => seconds(given).map(|time| self.stale_if_error = Some(time)),
            "--timeout" => seconds(given).map(|time| self.timeout = Some(time)),
            "--allow-set-cookie" => switch(value).map(|on| self.set_cookie = Some(on)),
            "--ignore-credential-cookies" => switch(value).map(|on| self.ignore_cookies = Some(on)),
            "--targeted" => given
                .and_then(names)
                .map(|names| self.targeted.get_or_insert_default().extend(names)),
            _ => return Err(format!("{flag:?}: no such flag; see --help")),
        };
        taken.map_err(|problem| format!("{flag}: {problem}"))
    }

    fn finish(self) -> Result<Flags, String> {
        let targeted = || vec![HeaderName::from_static("cdn-cache-control")];
        let minute = Duration::from_mins(1);
        Ok(Flags {
            listen: self.listen.unwrap_or_else(|| "127.0.0.1:8080".into()),
            origin: self.origin.ok_or("--origin: is needed; see --help")?,
            redis: self.redis,
            default_ttl: self.default_ttl.unwrap_or_default(),
            set_cookie: self.set_cookie.unwrap_or(false),
            ignore_cookies: self.ignore_cookies.unwrap_or(true),
            targeted: self.targeted.unwrap_or_else(targeted),
            stale_if_error: self.stale_if_error.unwrap_or(minute),
            timeout: self.timeout.unwrap_or(minute),
        })
    }
}

type Read<T> = Result<T, &'static str>;

fn origin(url: &str) -> Read<Authority> {
    const FORM: &str = "must be http://host[:port]";
    let url: Uri = url.parse().map_err(|_| FORM)?;
    let plain = url.scheme() == Some(&Scheme::HTTP) && url.path() == "/" && url.query().is_none();
    let authority = url.authority().filter(|_| plain).ok_or(FORM)?;
    match authority.host().is_empty() || authority.as_str().contains('@') {
        true => Err(FORM),
        false => Ok(authority.clone()),
    }
}

fn seconds(value: Read<&str>) -> Read<Duration> {
    let seconds: u32 = value?.parse().map_err(|_| "must be a number of seconds")?;
    Ok(Duration::from_secs(seconds.into()))
}

fn switch(value: Option<&str>) -> Read<bool> {
    match value {
        None | Some("true") => Ok(true),
        Some("false") => Ok(false),
        Some(_) => Err("must be true or false"),
    }
}

fn names(value: &str) -> Read<Vec<HeaderName>> {
    let names = value
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty());
    names
        .map(|name| HeaderName::from_bytes(name.as_bytes()).map_err(|_| "must be field names"))
        .collect()
}
