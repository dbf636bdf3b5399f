//! Tags: names under which a response can be purged.

use http::header::HeaderName;
use http::response::Parts;
use http::{HeaderMap, HeaderValue};
use std::fmt;
use std::sync::Arc;

/// Tags of one response; with more it is not stored, for a purge by a tag that was cut off would
/// miss it.
const MOST: usize = 64;

/// Bytes of one tag.
const LONGEST: usize = 256;

const CACHE_TAG: HeaderName = HeaderName::from_static("cache-tag");
const SURROGATE_KEY: HeaderName = HeaderName::from_static("surrogate-key");

/// A response extension: tags under which this response can be purged.
///
/// The fields `Cache-Tag` (separated by commas) and `Surrogate-Key` (separated by blanks) do the
/// same. A response has at most 64 tags of at most 256 bytes; with more it is not stored.
///
/// ```
/// use axum::{Extension, response::IntoResponse};
/// use neuralblitz_cache::CacheTags;
///
/// async fn handler() -> impl IntoResponse {
///     (Extension(CacheTags::new(["state:42", "states"])), "superposed")
/// }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CacheTags(Vec<Arc<str>>);

impl CacheTags {
    /// These tags.
    #[must_use]
    pub fn new<I: IntoIterator<Item: AsRef<str>>>(tags: I) -> Self {
        Self(tags.into_iter().map(|tag| tag.as_ref().into()).collect())
    }
}

/// A response extension of a request with an unsafe method: tags to purge beside its URI, before
/// the response goes out (RFC 9111 §4.4). Counts only if the response says 2xx or 3xx.
///
/// ```
/// use axum::{Extension, http::StatusCode, response::IntoResponse};
/// use neuralblitz_cache::PurgeTags;
///
/// async fn update() -> impl IntoResponse {
///     (Extension(PurgeTags::new(["state:42"])), StatusCode::NO_CONTENT)
/// }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PurgeTags(pub(super) Vec<Arc<str>>);

impl PurgeTags {
    /// These tags.
    #[must_use]
    pub fn new<I: IntoIterator<Item: AsRef<str>>>(tags: I) -> Self {
        Self(tags.into_iter().map(|tag| tag.as_ref().into()).collect())
    }
}

type Read = dyn Fn(&Parts) -> Vec<String> + Send + Sync;

/// What a layer adds: tags of all its responses, and those a closure reads from each.
#[derive(Clone, Default)]
pub(super) struct Tagging {
    pub(super) fixed: Vec<Arc<str>>,
    pub(super) read: Vec<Arc<Read>>,
}

impl Tagging {
    /// Both: tags add up, whichever layer says them.
    pub(super) fn and(mut self, other: &Self) -> Self {
        self.fixed.extend(other.fixed.iter().cloned());
        self.read.extend(other.read.iter().cloned());
        self
    }

    /// All tags of a response, each once. `None`: too many, or one is too long.
    pub(super) fn of(&self, parts: &Parts, of_route: &[String]) -> Option<Vec<String>> {
        let extension = parts.extensions.get::<CacheTags>();
        let extension = extension.map_or(&[][..], |tags| &tags.0);
        let told = self
            .fixed
            .iter()
            .chain(extension)
            .map(|tag| String::from(&**tag));
        let read = self.read.iter().flat_map(|read| read(parts));
        let mut tags: Vec<String> = told
            .chain(of_route.iter().cloned())
            .chain(read)
            .chain(in_fields(&parts.headers))
            .collect();
        tags.retain(|tag| !tag.is_empty());
        tags.sort();
        tags.dedup();
        fit(&tags).then_some(tags)
    }
}

/// Whether so many tags, of these lengths, may be stored.
pub(crate) fn fit(tags: &[String]) -> bool {
    tags.len() <= MOST && tags.iter().all(|tag| tag.len() <= LONGEST)
}

impl fmt::Debug for Tagging {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tagging")
            .field("fixed", &self.fixed)
            .field("read", &self.read.len())
            .finish()
    }
}

/// A tag that is no UTF-8 is read as what a purge by the same bytes would name.
fn in_fields(headers: &HeaderMap) -> impl Iterator<Item = String> {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let commas = headers.get_all(CACHE_TAG).iter().map(text);
    let blanks = headers.get_all(SURROGATE_KEY).iter().map(text);
    let split = |line: String, by: fn(char) -> bool| -> Vec<String> {
        line.split(by).map(|tag| tag.trim().to_owned()).collect()
    };
    let commas = commas.flat_map(move |line| split(line, |c| c == ','));
    commas.chain(blanks.flat_map(move |line| split(line, char::is_whitespace)))
}

/// Takes the fields out that are for caches alone.
pub(super) fn strip(headers: &mut HeaderMap) {
    headers.remove(CACHE_TAG);
    headers.remove(SURROGATE_KEY);
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Response;

    fn parts(lines: &[(&'static str, &'static str)]) -> Parts {
        let mut parts = Response::new(()).into_parts().0;
        for (name, value) in lines {
            parts.headers.append(*name, HeaderValue::from_static(value));
        }
        parts
    }

    #[test]
    fn tags_are_read_from_everywhere_and_each_counts_once() {
        let mut parts = parts(&[
            ("cache-tag", "b, a,,b"),
            ("surrogate-key", "c  d"),
            ("surrogate-key", "a"),
        ]);
        parts.extensions.insert(CacheTags::new(["e", "a"]));
        let tagging = Tagging {
            fixed: vec!["f".into()],
            read: vec![Arc::new(|parts| {
                vec![parts.status.to_string(), String::new()]
            })],
        };
        let tags = tagging.of(&parts, &["g".into()]).expect("few");
        assert_eq!(tags, ["200 OK", "a", "b", "c", "d", "e", "f", "g"]);
    }

    #[test]
    fn too_many_or_too_long_is_none() {
        let tagging = |tags: Vec<Arc<str>>| Tagging {
            fixed: tags,
            ..Tagging::default()
        };
        let many = |n: usize| (0..n).map(|i| i.to_string().into()).collect();
        assert!(tagging(many(MOST)).of(&parts(&[]), &[]).is_some());
        assert!(tagging(many(MOST + 1)).of(&parts(&[]), &[]).is_none());
        assert!(
            tagging(vec!["x".repeat(LONGEST).into()])
                .of(&parts(&[]), &[])
                .is_some()
        );
        assert!(
            tagging(vec!["x".repeat(LONGEST + 1).into()])
                .of(&parts(&[]), &[])
                .is_none()
        );
    }
}
