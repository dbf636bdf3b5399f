//! Requests that warm the cache, as they are written: among the settings, or in a file of their own.

use super::node::Node;
use super::place::{Step, Wrong};
use super::sections::WarmSection;
use super::{SettingsError, typed};
use crate::config::{CacheConfigBuilder, WarmRequest};
use http::uri::Authority;
use http::{HeaderValue, Method, Uri};

/// A key of a section, and what must stand there.
type Form = (&'static str, &'static str);

/// What the settings ask for.
pub(super) fn applied(
    mut builder: CacheConfigBuilder,
    sections: Vec<WarmSection>,
    host: Option<String>,
) -> Result<CacheConfigBuilder, Wrong> {
    builder.config.warming.authority = authority(host)?;
    for (index, section) in sections.into_iter().enumerate() {
        let request = request(section).map_err(|(key, form)| {
            let steps = [Step::from("CACHE"), "warm".into(), index.into(), key.into()];
            Wrong::new(steps, form)
        });
        builder = builder.warm(request?);
    }
    Ok(builder)
}

/// What clients say: a name, and no user.
fn authority(text: Option<String>) -> Result<Option<Authority>, Wrong> {
    let Some(text) = text else {
        return Ok(None);
    };
    let parsed: Option<Authority> = text.parse().ok();
    match parsed.filter(|authority| !authority.as_str().contains('@')) {
        Some(authority) => Ok(Some(authority)),
        None => {
            let steps = [Step::from("CACHE"), "warm_authority".into()];
            Err(Wrong::new(steps, "a host, or a host and its port"))
        }
    }
}

/// A list of requests, each as it stands in `CACHE.warm`.
pub(crate) fn list(text: &str) -> Result<Vec<WarmRequest>, SettingsError> {
    let root = Node::read(text)?;
    let sections: Vec<WarmSection> = typed::read(&root)?;
    let sections = sections.into_iter().enumerate();
    let requests = sections.map(|(index, section)| {
        request(section).map_err(|(key, form)| {
            let steps = [Step::from(index), key.into()];
            Wrong::new(steps, form).in_tree(&root)
        })
    });
    requests.collect()
}

fn request(section: WarmSection) -> Result<WarmRequest, Form> {
    let WarmSection {
        method,
        uri,
        headers,
        priority,
    } = section;
    let method: Method = method.parse().map_err(|_| ("method", "a method"))?;
    let uri: Option<Uri> = uri.parse().ok();
    let uri = uri.filter(|uri| uri.path().starts_with('/'));
    let uri = uri.ok_or(("uri", "a URI with an absolute path"))?;
    let mut request = WarmRequest::get(uri).method(method).priority(priority);
    for (name, value) in headers {
        let value = HeaderValue::from_str(value.expose());
        let mut value = value.map_err(|_| ("headers", "values of header fields"))?;
        value.set_sensitive(true);
        if let Some(name) = name.name() {
            request = request.header(name, value);
        }
    }
    Ok(request)
}
