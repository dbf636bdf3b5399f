//! What is stored, for how long it is fresh, and whom it answers, against `http-cache-semantics`
//! on random fields. Where the two differ on purpose, [`stored_otherwise`] and
//! [`answered_otherwise`] say so, and why.
#![cfg(feature = "testing")]

use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use http_cache_semantics::{CacheOptions, CachePolicy};
use neuralblitz_cache::testing::{Judged, judge};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use std::collections::BTreeSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

type Lines = Vec<(&'static str, String)>;

/// 14 November 2023, the second that all of this happens in.
fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_700_000_000)
}

fn date(seconds: i64) -> String {
    let distance = Duration::from_secs(seconds.unsigned_abs());
    let at = match seconds < 0 {
        true => now() - distance,
        false => now() + distance,
    };
    httpdate::fmt_http_date(at)
}

/// A response, and the requests before and after it.
#[derive(Clone, Debug)]
struct Case {
    status: StatusCode,
    first: HeaderMap,
    response: HeaderMap,
    second: HeaderMap,
    later: Duration,
}

fn map(lines: Lines) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        let value = HeaderValue::try_from(value).expect("a value");
        headers.append(HeaderName::from_static(name), value);
    }
    headers
}

fn numbers() -> impl Strategy<Value = String> {
    let odd = texts(&["-1", "1.5", "x", "'9'", "9a"]);
    let padded = texts(&["0060", "\"60\""]);
    let numbers = select(vec![0u64, 1, 10, 60, 600, 3600, 90_000, 5_000_000_000]);
    prop_oneof![
        8 => numbers.prop_map(|n| n.to_string()),
        1 => select(padded),
        1 => select(odd),
    ]
}

fn response_directive() -> impl Strategy<Value = String> {
    let plain = [
        "public",
        "private",
        "no-store",
        "no-cache",
        "no-cache=\"a\"",
        "private=\"a\"",
        "must-revalidate",
        "proxy-revalidate",
        "x-unknown",
        "x-unknown=\"y\"",
        "stale-while-revalidate=60",
    ];
    prop_oneof![
        4 => numbers().prop_map(|n| format!("max-age={n}")),
        2 => numbers().prop_map(|n| format!("s-maxage={n}")),
        3 => select(texts(&plain)),
    ]
}

fn request_directive() -> impl Strategy<Value = String> {
    let numbers = || select(vec![0u64, 1, 10, 60, 600, 3600]);
    let plain = ["no-cache", "no-store", "max-stale", "x-unknown"];
    prop_oneof![
        numbers().prop_map(|n| format!("max-age={n}")),
        numbers().prop_map(|n| format!("min-fresh={n}")),
        numbers().prop_map(|n| format!("max-stale={n}")),
        select(texts(&plain)),
    ]
}

fn control(directive: impl Strategy<Value = String>, most: usize) -> impl Strategy<Value = Lines> {
    proptest::collection::vec(directive, 0..=most).prop_map(|directives| match directives.len() {
        0 => Vec::new(),
        _ => vec![("cache-control", directives.join(", "))],
    })
}

fn maybe(name: &'static str, values: Vec<String>) -> impl Strategy<Value = Lines> {
    let line = select(values).prop_map(move |value| vec![(name, value)]);
    prop_oneof![2 => Just(Vec::new()), 1 => line]
}

fn texts(values: &[&str]) -> Vec<String> {
    values.iter().map(|value| (*value).to_owned()).collect()
}

fn response() -> impl Strategy<Value = HeaderMap> {
    let dates = |seconds: &[i64]| -> Vec<String> {
        let mut values: Vec<String> = seconds.iter().map(|s| date(*s)).collect();
        values.push("0".to_owned());
        values
    };
    let validity = (
        maybe("expires", dates(&[-60, 0, 60, 3600, 90_000])),
        maybe("date", dates(&[-3600, -1, 0, 60])),
        maybe("last-modified", dates(&[-864_000, -3600, -10, 0, 60])),
        maybe("age", texts(&["0", "1", "30", "7200", "-1", "x", "1, 2"])),
    );
    let others = (
        maybe("set-cookie", texts(&["a=b"])),
        maybe("vary", texts(&["accept", "*", "accept, *"])),
        maybe("pragma", texts(&["no-cache", "x"])),
    );
    (control(response_directive(), 4), validity, others)
        .prop_map(|(control, v, o)| map([control, v.0, v.1, v.2, v.3, o.0, o.1, o.2].concat()))
}

fn request() -> impl Strategy<Value = HeaderMap> {
    let guarded = prop_oneof![
        4 => Just(Vec::new()),
        1 => Just(vec![("authorization", "x".to_owned())]),
    ];
    let pragma = prop_oneof![
        6 => Just(Vec::new()),
        1 => Just(vec![("pragma", "no-cache".to_owned())]),
    ];
    (control(request_directive(), 2), guarded, pragma)
        .prop_map(|(control, guarded, pragma)| map([control, guarded, pragma].concat()))
}

fn case() -> impl Strategy<Value = Case> {
    let statuses = vec![
        200u16, 201, 203, 204, 206, 299, 300, 301, 302, 304, 307, 308, 400, 403, 404, 405, 410,
        414, 500, 501, 503, 599,
    ];
    let status = prop_oneof![3 => Just(200), 2 => select(statuses), 1 => Just(501)];
    let later = select(vec![0u64, 1, 9, 10, 30, 59, 61, 600, 3599, 100_000]);
    (status, request(), response(), request(), later).prop_map(
        |(status, first, response, second, later)| Case {
            status: StatusCode::from_u16(status).expect("a status"),
            first,
            response,
            second,
            later: Duration::from_secs(later),
        },
    )
}

/// What the other makes of it.
fn oracle(case: &Case) -> CachePolicy {
    let request = with(
        Request::get("http://a/").body(()).expect("a request"),
        &case.first,
    );
    let mut response = Response::new(());
    *response.status_mut() = case.status;
    *response.headers_mut() = case.response.clone();
    let options = CacheOptions::default();
    CachePolicy::new_options(&request, &response, now(), options)
}

fn with(mut request: Request<()>, headers: &HeaderMap) -> Request<()> {
    *request.headers_mut() = headers.clone();
    request
}

impl Case {
    fn ours(&self) -> Option<Judged> {
        judge(self.status, &self.first, &self.response, now())
    }

    fn text(&self, name: &str) -> &str {
        text(&self.response, name)
    }

    /// The directives of the response.
    fn says(&self, directive: &str) -> bool {
        says(&self.response, directive)
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    let value = headers.get(name).map(|value| value.to_str().expect("text"));
    value.unwrap_or_default()
}

fn says(headers: &HeaderMap, directive: &str) -> bool {
    let items = text(headers, "cache-control").split(',');
    items
        .map(|item| item.trim().split('=').next().unwrap_or_default())
        .any(|name| name == directive)
}

/// Whether a directive is there twice, in two ways that are `different`.
fn repeats(headers: &HeaderMap, different: fn(&str, &str) -> bool) -> bool {
    let items: Vec<&str> = text(headers, "cache-control").split(", ").collect();
    let name = |item: &str| item.split('=').next().map(str::to_owned);
    let again = |a: &str, b: &&str| name(a) == name(b) && different(a, b);
    let mut items_before = items.iter().enumerate();
    items_before.any(|(at, a)| items[..at].iter().any(|b| again(a, b)))
}

/// Why a response is stored here and not there, or for another time: each difference is meant.
fn stored_otherwise(case: &Case) -> Option<&'static str> {
    let known = [
        200, 203, 204, 300, 301, 302, 303, 307, 308, 404, 405, 410, 414, 501,
    ];
    // A quoted argument conflicts with itself there.
    let conflicting = repeats(&case.response, |a, b| a != b || a.contains('"'));
    let reasons = [
        (
            !known.contains(&case.status.as_u16()),
            "RFC 9111 §3: any final status with a lifetime of its own may be stored, and with \
             `public` one may be guessed; the other knows a list",
        ),
        (
            case.response.contains_key("set-cookie") && case.says("public"),
            "a cookie is not stored even if the response is `public`",
        ),
        (
            case.text("vary").contains('*') && case.text("vary") != "*",
            "RFC 9111 §4.1: `*` anywhere in the list forbids; the other looks for it alone",
        ),
        (
            case.says("proxy-revalidate"),
            "RFC 9111 §5.2.2.8: what is fresh may be used; the other never uses it",
        ),
        (
            conflicting,
            "RFC 9111 §4.2.1: the first counts; the other also makes it must-revalidate, which \
             lets it answer requests with credentials",
        ),
        (
            !matches!(case.text("age"), "" | "0" | "1" | "30" | "7200"),
            "RFC 9111 §5.1: of a list the first Age counts; the other ignores all of it",
        ),
        (
            case.response.contains_key("pragma") && !case.response.contains_key("cache-control"),
            "RFC 9111 §5.4: Pragma says nothing in a response",
        ),
        (
            case.text("date") == date(-3600) || case.text("date") == date(-1),
            "RFC 9111 §4.2.3: what its Date says counts as its age; the other takes Age alone",
        ),
    ];
    reasons.iter().find(|(is, _)| *is).map(|(_, why)| *why)
}

/// Why what is stored in both answers a request here and not there.
fn answered_otherwise(case: &Case, judged: &Judged) -> Option<&'static str> {
    let over = case.later.saturating_sub(judged.fresh_for()).as_secs();
    let limit = format!("max-stale={over}");
    let asks_stale = says(&case.second, "max-stale");
    let reasons = [
        (
            case.second.contains_key("pragma") && case.second.contains_key("cache-control"),
            "RFC 9111 §5.4: Pragma counts only without Cache-Control",
        ),
        (
            asks_stale && (case.says("s-maxage") || case.says("proxy-revalidate")),
            "RFC 9111 §4.2.4: never stale with s-maxage or proxy-revalidate; the other minds \
             must-revalidate alone",
        ),
        (
            case.says("stale-while-revalidate") && over < 60,
            "RFC 5861 §3: it answers while a newer one is fetched; the other does not know of it",
        ),
        (
            asks_stale && case.status.is_server_error(),
            "a stored failure is never used stale",
        ),
        (
            asks_stale && text(&case.second, "cache-control").contains(&limit),
            "RFC 9111 §5.2.1.2: by no more than so many seconds; the other wants less",
        ),
        (
            repeats(&case.second, |_, _| true),
            "of a request directive written twice the first counts here, and with or without an \
             argument it is the same one",
        ),
        (
            case.second.contains_key("authorization") && !case.first.contains_key("authorization"),
            "RFC 9111 §3.5: what is not for everybody answers no request with credentials; the \
             other asks that only when storing",
        ),
    ];
    reasons.iter().find(|(is, _)| *is).map(|(_, why)| *why)
}

/// Numbers above the largest that must be told apart are that (RFC 9111 §1.2.2); a guess ends
/// at a day here. The other knows neither.
fn expected_lifetime(theirs: Duration, case: &Case) -> Duration {
    let said = case.says("max-age") || case.says("s-maxage") || !case.text("expires").is_empty();
    let longest = match said {
        true => Duration::from_secs(1 << 31),
        false => Duration::from_hours(24),
    };
    theirs.min(longest)
}

fn aged(case: &Case) -> Duration {
    Duration::from_secs(case.text("age").parse().unwrap_or(0))
}

/// Whether both store the case for the same time; else what each would.
fn stored_alike(case: &Case) -> Result<(), String> {
    let theirs = oracle(case);
    let lifetime = expected_lifetime(theirs.time_to_live(now()) + aged(case), case);
    let left = lifetime.saturating_sub(aged(case));
    // There it may be stored to be validated; here, by these rules, it is not.
    let usable = theirs.is_storable() && !theirs.is_stale(now()) && !left.is_zero();
    let ours = case.ours();
    let same = ours.as_ref().map_or(!usable, |ours| {
        // The other rounds a guess down to whole seconds, with single precision.
        let near = ours.fresh_for().abs_diff(left) <= Duration::from_secs(1);
        usable && near && ours.age() == theirs.age(now())
    });
    same.then_some(())
        .ok_or_else(|| format!("{ours:?}, not {usable} {left:?}"))
}

/// Whether both answer the second request of the case, which is stored, alike.
fn answered_alike(case: &Case, ours: &Judged) -> bool {
    let request = Request::get("http://a/").body(()).expect("a request");
    let request = with(request, &case.second);
    let theirs = oracle(case).before_request(&request, now() + case.later);
    ours.answers(&case.second, case.later) == theirs.satisfies_without_revalidation()
}

fn config() -> ProptestConfig {
    let config = ProptestConfig::default();
    ProptestConfig {
        cases: config.cases.max(4096),
        failure_persistence: None,
        ..config
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn what_is_stored_and_for_how_long_is_as_others_have_it(case in case()) {
        if stored_otherwise(&case).is_none() {
            prop_assert_eq!(stored_alike(&case), Ok(()));
        }
    }

    #[test]
    fn what_answers_a_request_is_as_others_have_it(case in case()) {
        let ours = case.ours().filter(|_| stored_otherwise(&case).is_none());
        if let Some(ours) = ours
            && answered_otherwise(&case, &ours).is_none()
        {
            prop_assert!(answered_alike(&case, &ours));
        }
    }

    #[test]
    fn whatever_the_fields_nothing_forbidden_is_stored(case in case()) {
        let forbidden = case.says("no-store")
            || case.says("private")
            || case.says("no-cache")
            || case.text("vary").contains('*')
            || case.response.contains_key("set-cookie")
            || says(&case.first, "no-store");
        prop_assert!(!forbidden || case.ours().is_none());
    }
}

/// A reason that excuses what is the same anyway would hide mistakes.
#[test]
fn each_difference_that_is_listed_is_one_and_enough_is_compared() {
    let mut runner = TestRunner::deterministic();
    let (mut seen, mut real) = (BTreeSet::new(), BTreeSet::new());
    let (mut stored, mut answered) = (0, 0);
    for _ in 0..20_000 {
        let case = case().new_tree(&mut runner).expect("a case").current();
        if let Some(why) = stored_otherwise(&case) {
            seen.insert(why);
            real.extend(stored_alike(&case).is_err().then_some(why));
            continue;
        }
        stored += 1;
        let Some(ours) = case.ours() else { continue };
        match answered_otherwise(&case, &ours) {
            Some(why) => {
                seen.insert(why);
                real.extend((!answered_alike(&case, &ours)).then_some(why));
            }
            None => answered += 1,
        }
    }
    assert_eq!(seen, real);
    assert!(stored > 4_000 && answered > 700, "{stored} {answered}");
}
