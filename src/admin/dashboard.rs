//! `GET /cache/dashboard`: one page that shows what the cache does, and purges and explains.
//!
//! It is put together from the files in the folder of this name. Nothing else is loaded; no script
//! and no style is in force but these, which the policy names by their hashes; and the policy has
//! the browser refuse whatever would turn text into markup.

use super::problem::{Problem, respond};
use super::query::Query;
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderName, HeaderValue, StatusCode, Uri};
use sha2::{Digest, Sha256};
use std::sync::LazyLock;

const HEAD: &str = include_str!("dashboard/head.html");

const BODY: &str = include_str!("dashboard/body.html");

const STYLE: &str = concat!(
    include_str!("dashboard/frame.css"),
    include_str!("dashboard/panels.css"),
);

/// In this order, as one module.
const SCRIPT: &str = concat!(
    include_str!("dashboard/text.js"),
    include_str!("dashboard/samples.js"),
    include_str!("dashboard/charts.js"),
    include_str!("dashboard/panels.js"),
    include_str!("dashboard/tables.js"),
    include_str!("dashboard/forms.js"),
    include_str!("dashboard/stream.js"),
);

static PAGE: LazyLock<String> = LazyLock::new(|| {
    format!(
        "{HEAD}<style>{STYLE}</style>\n<script type=\"module\">{SCRIPT}</script>\n</head>\n{BODY}"
    )
});

/// `data:` is the icon of the tab.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    format!(
        "default-src 'none'; script-src '{}'; style-src '{}'; img-src data:; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
         require-trusted-types-for 'script'; trusted-types 'none'",
        source(SCRIPT),
        source(STYLE)
    )
});

/// Shows nothing by itself: what it shows comes from the other endpoints.
pub(super) async fn page(uri: Uri) -> Result<Response, Problem> {
    Query::of(&uri, &[])?;
    let mut response = respond(StatusCode::OK, "text/html; charset=utf-8", PAGE.clone());
    let headers = response.headers_mut();
    if let Ok(policy) = HeaderValue::from_str(&POLICY) {
        headers.insert(http::header::CONTENT_SECURITY_POLICY, policy);
    }
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
    ] {
        let name = HeaderName::from_static(name);
        headers.insert(name, HeaderValue::from_static(value));
    }
    Ok(response)
}

/// What stands between the tags, as a policy names it (CSP 3 §2.3.1).
fn source(text: &str) -> String {
    format!("sha256-{}", STANDARD.encode(Sha256::digest(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_names_the_empty_text_as_a_policy_does() {
        let empty = "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
        assert_eq!(source(""), empty);
    }

    #[test]
    fn nothing_ends_the_script_or_the_style_before_its_end() {
        assert!(!SCRIPT.contains("</") && !SCRIPT.contains("<!--"));
        assert!(!STYLE.contains("</"));
    }
}
