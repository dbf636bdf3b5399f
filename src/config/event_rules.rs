//! [`EventRule`]: what an event purges.

use super::CacheConfigBuilder;
use super::template::Template;
use crate::error::{ConfigError, ConfigErrorKind};
use http::Uri;
use std::collections::HashMap;

/// What an event purges when it is emitted ([`Cache::emit`](crate::Cache::emit)): tags, classes,
/// URIs, prefixes and patterns, with fields of its context filled in.
///
/// `{id}` stands for the field `id` of the context, `{user.id}` for one further in; `{{` and
/// `}}` for braces. A field is a string, a number or a boolean; where it is missing, is anything
/// else or is empty, its template purges nothing and [`emit`](crate::Cache::emit) says so. What
/// is filled in names one thing and nothing more: in a pattern `*`, `?`, `[` and the like are
/// meant as they are, in a URI or prefix all but letters, digits and `-._~!$'()*,;:@` is
/// percent-encoded.
///
/// ```
/// use neuralblitz_cache::{Cache, CacheConfig, EventRule};
/// use serde_json::json;
/// use std::time::Duration;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let rule = EventRule::new("quantum_state_updated")
///     .tag("state:{id}")
///     .pattern("nb:quantum_state:{id}:*");
/// let cache = Cache::new(CacheConfig::builder().event_rule(rule).build()?);
///
/// let minute = Duration::from_secs(60);
/// cache.set("quantum_state:42:spin", &1, minute).await?;
/// cache.set("quantum_state:7:spin", &2, minute).await?;
/// cache.emit("quantum_state_updated", json!({ "id": 42 })).await?;
/// assert_eq!(cache.get::<u8>("quantum_state:42:spin").await?, None);
/// assert_eq!(cache.get::<u8>("quantum_state:7:spin").await?, Some(2));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct EventRule {
    event: String,
    targets: Vec<(Target, String)>,
    soft: bool,
}

/// What a template names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Tag,
    Class,
    Uri,
    Prefix,
    Pattern,
}

impl EventRule {
    /// A rule that purges nothing yet. An event may have several.
    #[must_use]
    pub fn new(event: impl Into<String>) -> Self {
        Self {
            event: event.into(),
            targets: Vec::new(),
            soft: false,
        }
    }

    /// All that bears this tag.
    #[must_use]
    pub fn tag(self, template: impl Into<String>) -> Self {
        self.and(Target::Tag, template.into())
    }

    /// All responses of this class.
    #[must_use]
    pub fn class(self, template: impl Into<String>) -> Self {
        self.and(Target::Class, template.into())
    }

    /// All variants stored under this URI; see [`Cache::purge_uri`](crate::Cache::purge_uri).
    #[must_use]
    pub fn uri(self, template: impl Into<String>) -> Self {
        self.and(Target::Uri, template.into())
    }

    /// All URIs that begin so; see [`Cache::purge_prefix`](crate::Cache::purge_prefix). Of these
    /// and of patterns only the newest are kept, and the oldest purge everything: for events that
    /// come often, use tags.
    #[must_use]
    pub fn prefix(self, template: impl Into<String>) -> Self {
        self.and(Target::Prefix, template.into())
    }

    /// All names that match this glob; see
    /// [`Cache::delete_pattern`](crate::Cache::delete_pattern), and [`prefix`](Self::prefix) on
    /// how many.
    #[must_use]
    pub fn pattern(self, template: impl Into<String>) -> Self {
        self.and(Target::Pattern, template.into())
    }

    /// What it covers becomes stale, and is not gone; see [`Purge::soft`](crate::Purge::soft).
    #[must_use]
    pub fn soft(mut self) -> Self {
        self.soft = true;
        self
    }

    fn read(self) -> Result<Vec<Templated>, ConfigError> {
        if self.event.is_empty() || self.targets.is_empty() {
            return Err(malformed("the name of an event and what it purges"));
        }
        let targets = self.targets.into_iter();
        targets
            .map(|(target, text)| read(target, &text, self.soft))
            .collect()
    }

    fn and(mut self, target: Target, template: String) -> Self {
        self.targets.push((target, template));
        self
    }
}

impl CacheConfigBuilder {
    /// Adds what an event purges. Default: none.
    pub fn event_rule(mut self, rule: EventRule) -> Self {
        self.event_rules.push(rule);
        self
    }
}

/// All rules, by their events.
#[derive(Clone, Debug, Default)]
pub(crate) struct EventRules(HashMap<String, Vec<Templated>>);

/// One template of a rule.
#[derive(Clone, Debug)]
pub(crate) struct Templated {
    pub(crate) target: Target,
    pub(crate) template: Template,
    pub(crate) soft: bool,
}

impl EventRules {
    pub(super) fn new(rules: Vec<EventRule>) -> Result<Self, ConfigError> {
        let mut events: HashMap<String, Vec<Templated>> = HashMap::new();
        for (index, rule) in rules.into_iter().enumerate() {
            let templates = events.entry(rule.event.clone()).or_default();
            templates.extend(rule.read().map_err(|error| error.of_item(index))?);
        }
        Ok(Self(events))
    }

    pub(crate) fn of(&self, event: &str) -> &[Templated] {
        self.0.get(event).map_or(&[], Vec::as_slice)
    }
}

fn read(target: Target, text: &str, soft: bool) -> Result<Templated, ConfigError> {
    const BRACES: &str = "text with fields in braces, `{id}` or `{a.b}`; braces doubled";
    let template = Template::read(text).ok_or_else(|| malformed(BRACES))?;
    check(target, &template.sample())?;
    Ok(Templated {
        target,
        template,
        soft,
    })
}

/// Whether what it names can be at all.
fn check(target: Target, filled: &str) -> Result<(), ConfigError> {
    let (holds, form) = match target {
        Target::Tag | Target::Class | Target::Pattern => (!filled.is_empty(), "not empty"),
        Target::Uri => (
            filled
                .parse::<Uri>()
                .is_ok_and(|uri| uri.path().starts_with('/')),
            "a URI with an absolute path",
        ),
        Target::Prefix => (filled.contains('/'), "the beginning of a URI, with a path"),
    };
    match holds {
        true => Ok(()),
        false => Err(malformed(form)),
    }
}

fn malformed(form: &'static str) -> ConfigError {
    ConfigError::new("event_rules", ConfigErrorKind::Malformed(form))
}
