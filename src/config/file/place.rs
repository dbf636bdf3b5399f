//! Where in the tree of settings something stands.

use super::error::{Kind, SettingsError, push_index, push_key};
use super::node::{Node, Origin, Value};
use super::sections::Document;
use crate::error::ConfigError;

/// One step down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Key(String),
    Index(usize),
}

impl From<&str> for Step {
    fn from(key: &str) -> Self {
        Self::Key(key.into())
    }
}

impl From<usize> for Step {
    fn from(index: usize) -> Self {
        Self::Index(index)
    }
}

/// `CACHE.routes["/a"].ttl`.
pub(super) fn text(steps: &[Step]) -> String {
    let mut path = String::new();
    for step in steps {
        match step {
            Step::Key(key) => push_key(&mut path, key),
            Step::Index(index) => push_index(&mut path, *index),
        }
    }
    path
}

/// What cannot be used though it is of the right type.
pub(super) struct Wrong {
    steps: Vec<Step>,
    kind: Kind,
}

impl Wrong {
    pub(super) fn new(steps: impl Into<Vec<Step>>, form: &str) -> Self {
        Self {
            steps: steps.into(),
            kind: Kind::Unusable(form.into()),
        }
    }

    pub(super) fn in_tree(self, root: &Node) -> SettingsError {
        let origin = root.origin_of(&self.steps);
        SettingsError::new(text(&self.steps), origin, self.kind)
    }
}

/// The names by which the builder speaks of what sections hold.
pub(super) struct Names {
    routes: Vec<String>,
}

impl Names {
    pub(super) fn of(document: &Document) -> Self {
        let routes = document.cache.routes.keys().cloned().collect();
        Self { routes }
    }

    /// What the builder refuses, where it is written.
    pub(super) fn wrong(&self, error: ConfigError) -> Wrong {
        let section = match error.setting() {
            "host"
            | "port"
            | "socket_timeout"
            | "socket_connect_timeout"
            | "health_check_interval"
            | "db"
            | "username"
            | "socket"
            | "cluster"
            | "tls"
            | "ca_file"
            | "client_certificate"
            | "client_key" => "REDIS",
            name if name.starts_with("sentinel") => "REDIS",
            name if name.starts_with("warmup_") || name.starts_with("circuit_") => "REDIS",
            _ => "CACHE",
        };
        let mut steps = vec![Step::from(section), error.setting().into()];
        let item = error.item();
        let route = item.and_then(|item| self.routes.get(item));
        match (error.setting(), route, item) {
            ("routes", Some(route), _) => steps.push(Step::from(route.as_str())),
            (_, _, Some(item)) => steps.push(Step::from(item)),
            (_, _, None) => {}
        }
        let kind = Kind::Refused(error);
        Wrong { steps, kind }
    }
}

impl Node {
    /// Where the value at `steps` came from: as far down as anything is said.
    pub(super) fn origin_of(&self, steps: &[Step]) -> Origin {
        let Some((step, further)) = steps.split_first() else {
            return self.origin.clone();
        };
        let next = match (&self.value, step) {
            (Value::Map(_), Step::Key(key)) => self.get(key),
            (Value::List(nodes), Step::Index(index)) => nodes.get(*index),
            // All of it, in one variable.
            (Value::Raw(_), _) => return self.origin.clone(),
            _ => None,
        };
        next.map_or(Origin::Default, |node| node.origin_of(further))
    }
}
