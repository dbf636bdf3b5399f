//! Parameters of a query, read strictly: nothing is guessed, and nothing unknown is ignored.

use super::problem::Problem;
use http::Uri;
use percent_encoding::percent_decode;
use std::str::FromStr;

/// Bytes of the longest query.
const LONGEST: usize = 16 << 10;

/// The parameters, decoded, in their order.
#[derive(Debug)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    /// All parameters, each of a name that is known.
    pub(super) fn of(uri: &Uri, known: &[&str]) -> Result<Self, Problem> {
        let query = uri.query().unwrap_or_default();
        if query.len() > LONGEST {
            return Err(Problem::bad_request("the query is longer than 16 KiB"));
        }
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        let pairs = pairs.map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((decoded(name)?, decoded(value)?))
        });
        Self(pairs.collect::<Result<_, Problem>>()?).of_known(known)
    }

    /// And what the content of the request says.
    pub(super) fn with(
        mut self,
        content: Vec<(String, String)>,
        known: &[&str],
    ) -> Result<Self, Problem> {
        self.0.extend(content);
        self.of_known(known)
    }

    fn of_known(self, known: &[&str]) -> Result<Self, Problem> {
        let unknown = |(name, _): &(String, String)| !known.contains(&name.as_str());
        match self.0.iter().any(unknown) {
            true => Err(Problem::bad_request(
                "there is a parameter of an unknown name",
            )),
            false => Ok(self),
        }
    }

    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        let named = self.0.iter().filter(move |(known, _)| known == name);
        named.map(|(_, value)| value.as_str())
    }

    /// The one value; `None`: there is none.
    pub(super) fn one(&self, name: &str) -> Result<Option<&str>, Problem> {
        let mut all = self.all(name);
        match (all.next(), all.next()) {
            (value, None) => Ok(value),
            _ => Err(Problem::bad_request("a parameter is given twice")),
        }
    }

    pub(super) fn flag(&self, name: &str) -> Result<bool, Problem> {
        match self.one(name)? {
            None | Some("0" | "false") => Ok(false),
            Some("" | "1" | "true") => Ok(true),
            Some(_) => Err(Problem::bad_request("a flag is none of 1, 0, true, false")),
        }
    }

    pub(super) fn number<T: FromStr>(&self, name: &str) -> Result<Option<T>, Problem> {
        match self.one(name)? {
            None => Ok(None),
            Some(text) => match text.parse() {
                Ok(number) => Ok(Some(number)),
                Err(_) => Err(Problem::bad_request("a number cannot be read")),
            },
        }
    }

    pub(super) fn into_pairs(self) -> Vec<(String, String)> {
        self.0
    }
}

fn decoded(text: &str) -> Result<String, Problem> {
    let text = text.replace('+', " ");
    let decoded = percent_decode(text.as_bytes()).decode_utf8();
    match decoded {
        Ok(text) => Ok(text.into_owned()),
        Err(_) => Err(Problem::bad_request("a parameter is not UTF-8")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(query: &str) -> Result<Query, Problem> {
        let uri = format!("/x?{query}").parse().expect("a URI");
        Query::of(&uri, &["a", "b c"])
    }

    #[test]
    fn parameters_are_decoded_and_kept_in_order() {
        let read = query("a=1&b+c=%2F%26&a=%C3%A9&&b%20c").expect("read");
        assert_eq!(read.all("a").collect::<Vec<_>>(), ["1", "é"]);
        assert_eq!(read.all("b c").collect::<Vec<_>>(), ["/&", ""]);
        assert!(read.one("a").is_err());
        assert_eq!(query("").expect("read").one("a").expect("none"), None);
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for text in ["a=%FF", "d=1", "A=1", &format!("a={}", "x".repeat(LONGEST))] {
            assert!(query(text).is_err(), "{text:.20}");
        }
        assert!(query("a=x").expect("read").flag("a").is_err());
        assert!(query("a=-1").expect("read").number::<u64>("a").is_err());
    }
}
