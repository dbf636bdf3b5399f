//! The families of metrics, one after the other. The encoder adds `_total` to the names of
//! counters, and the unit to those that have one.

use super::encode::{Family, begin, counters, family, gauges, histogram_of, seconds, with_unit};
use crate::cache::Inner;
use crate::error::Fault;
use crate::observe::{Answered, Counts, Event, Operation, Passed, WarmOutcome};
use crate::stats::{BreakerState, Stats};
use crate::store::{Count, Remote};
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;
use std::fmt;
use std::sync::Arc;

const BREAKER: [BreakerState; 4] = [
    BreakerState::Closed,
    BreakerState::Open,
    BreakerState::HalfOpen,
    BreakerState::Off,
];

pub(super) struct Families<'a, 'e> {
    cache: &'a Inner,
    stats: Stats,
    routes: Vec<(Arc<str>, Counts)>,
    encoder: DescriptorEncoder<'e>,
}

impl<'a, 'e> Families<'a, 'e> {
    pub(super) fn new(cache: &'a Inner, encoder: DescriptorEncoder<'e>) -> Self {
        Self {
            cache,
            stats: Stats::of(cache),
            routes: cache.observer.by_route(),
            encoder,
        }
    }

    pub(super) fn encode(mut self) -> fmt::Result {
        self.answers()?;
        self.savings()?;
        self.passed()?;
        self.errors()?;
        self.durations()?;
        self.warmups()?;
        self.sizes()?;
        self.states()?;
        self.queues()?;
        self.totals()
    }

    fn answers(&mut self) -> fmt::Result {
        let hits = family(
            "neuralblitz_cache_hits",
            "Requests answered from the store without the handler",
        );
        self.by_route(&hits, "tier", &Answered::HITS)?;
        let misses = family(
            "neuralblitz_cache_misses",
            "Requests that ran the handler, by reason",
        );
        self.by_route(&misses, "reason", &Answered::MISSES)?;
        let stale = family(
            "neuralblitz_cache_stale_served",
            "Stale answers, while a newer one was fetched or in place of a failure",
        );
        let kinds = [
            (Answered::StaleWhileRevalidate, "while-revalidate"),
            (Answered::StaleIfError, "if-error"),
        ];
        self.by_route(&stale, "reason", &kinds)?;
        let coalesced = family(
            "neuralblitz_cache_coalesced",
            "Requests answered by another request's run of the handler",
        );
        let routes = self.routes.iter();
        let counts = routes.map(|(route, counts)| {
            let labels = [("route", &**route)];
            (labels, counts.of(Answered::Coalesced))
        });
        counters(&mut self.encoder, &coalesced, counts)
    }

    /// One counter for each route and kind that was seen; the first route always.
    fn by_route(
        &mut self,
        family: &Family,
        label: &'static str,
        kinds: &[(Answered, &'static str)],
    ) -> fmt::Result {
        let routes = self.routes.iter();
        let counts = routes.flat_map(|(route, counts)| {
            kinds.iter().map(move |(kind, value)| {
                let labels = [(label, *value), ("route", &**route)];
                (labels, counts.of(*kind))
            })
        });
        counters(&mut self.encoder, family, counts)
    }

    fn savings(&mut self) -> fmt::Result {
        let saved = with_unit(
            "neuralblitz_cache_handler_saved",
            "Time that handlers would have taken for what hits answered",
            Unit::Seconds,
        );
        let routes = self.routes.iter();
        let counts = routes.map(|(route, counts)| ([("route", &**route)], seconds(counts.saved)));
        counters(&mut self.encoder, &saved, counts)
    }

    fn passed(&mut self) -> fmt::Result {
        let passed = family(
            "neuralblitz_cache_bypassed",
            "Requests that were none for the cache, by reason",
        );
        let observer = &self.cache.observer;
        let counts = Passed::ALL.map(|why| ([("reason", why.name())], observer.total_passed(why)));
        counters(&mut self.encoder, &passed, counts)
    }

    /// Only what happened: there are eight reasons for each operation.
    fn errors(&mut self) -> fmt::Result {
        let errors = family(
            "neuralblitz_cache_errors",
            "Faults of Redis; each was a miss and no more",
        );
        let observer = &self.cache.observer;
        let all = Operation::ALL
            .iter()
            .flat_map(|operation| Fault::ALL.iter().map(move |fault| (*operation, *fault)));
        let counts = all.filter_map(|(operation, fault)| {
            let labels = [("operation", operation.name()), ("reason", fault.name())];
            let count = observer.faults(operation, fault);
            let always = operation == Operation::Lookup && fault == Fault::Timeout;
            (always || count > 0).then_some((labels, count))
        });
        counters(&mut self.encoder, &errors, counts)
    }

    fn durations(&mut self) -> fmt::Result {
        let took = with_unit(
            "neuralblitz_cache_operation_duration",
            "How long operations took, however they ended; hits of the local tier are not timed",
            Unit::Seconds,
        );
        let observer = self.cache.observer.clone();
        let timed = Operation::ALL.map(|operation| (operation, observer.durations(operation)));
        let timed = timed.iter().filter(|(operation, histogram)| {
            histogram.count() > 0 || matches!(operation, Operation::Lookup | Operation::Fetch)
        });
        let mut encoder = begin(&mut self.encoder, &took, MetricType::Histogram)?;
        for (operation, histogram) in timed {
            let labels = [("tier", operation.tier()), ("operation", operation.name())];
            histogram_of(&mut encoder.encode_family(&labels)?, histogram)?;
        }
        let lag = with_unit(
            "neuralblitz_cache_purge_lag",
            "How long purges waited until Redis had taken them",
            Unit::Seconds,
        );
        let mut encoder = begin(&mut self.encoder, &lag, MetricType::Histogram)?;
        histogram_of(&mut encoder, &observer.purge_lag())
    }

    fn warmups(&mut self) -> fmt::Result {
        let took = with_unit(
            "neuralblitz_cache_warmup_duration",
            "How long warmings took, however they ended",
            Unit::Seconds,
        );
        let observer = &self.cache.observer;
        let mut encoder = begin(&mut self.encoder, &took, MetricType::Histogram)?;
        histogram_of(&mut encoder, &observer.warmups())?;
        let items = family(
            "neuralblitz_cache_warmup_items",
            "Requests and loaders of warmings that have ended, by what became of them",
        );
        let each = WarmOutcome::ALL.map(|outcome| {
            let labels = [("outcome", outcome.name())];
            (labels, observer.warmup_items(outcome))
        });
        counters(&mut self.encoder, &items, each)
    }

    fn sizes(&mut self) -> fmt::Result {
        let size = with_unit(
            "neuralblitz_cache_size",
            "Bytes of what is stored, about",
            Unit::Bytes,
        );
        let (stats, encoder) = (&self.stats, &mut self.encoder);
        let count = self.cache.store.remote.as_ref().and_then(Remote::count);
        let redis =
            |value: fn(Count) -> u64| count.map(|count| ([("tier", "redis")], value(count)));
        let local = ([("tier", "local")], stats.local_bytes);
        let both = [local].into_iter().chain(redis(|count| count.bytes));
        gauges(encoder, &size, both)?;
        let keys = family("neuralblitz_cache_keys_total", "Entries and values stored");
        let local = ([("tier", "local")], stats.local_entries as u64);
        let both = [local].into_iter().chain(redis(|count| count.keys));
        gauges(encoder, &keys, both)?;
        let age = with_unit(
            "neuralblitz_cache_count_age",
            "How long ago what is in Redis was counted",
            Unit::Seconds,
        );
        let ages = count.map(|count| ([("tier", "redis")], count.at.elapsed().as_secs_f64()));
        gauges(encoder, &age, ages)
    }

    fn states(&mut self) -> fmt::Result {
        let breaker = family(
            "neuralblitz_cache_breaker_state",
            "1 for the state that the circuit breaker in front of Redis is in",
        );
        let (stats, encoder) = (&self.stats, &mut self.encoder);
        let each = BREAKER.map(|state| {
            let labels = [("state", state.name())];
            (labels, u64::from(state == stats.breaker))
        });
        gauges(encoder, &breaker, each)?;
        for (name, help, value) in [
            (
                "neuralblitz_cache_connected",
                "Whether a connection to Redis stands",
                u64::from(stats.connected),
            ),
            (
                "neuralblitz_cache_coherent",
                "Whether purges of other instances are heard of",
                u64::from(stats.coherent),
            ),
            (
                "neuralblitz_cache_connections",
                "Connections to Redis that stand",
                stats.connections as u64,
            ),
        ] {
            begin(encoder, &family(name, help), MetricType::Gauge)?.encode_gauge(&value)?;
        }
        Ok(())
    }

    fn queues(&mut self) -> fmt::Result {
        let (stats, encoder) = (&self.stats, &mut self.encoder);
        for (name, help, value) in [
            (
                "neuralblitz_cache_queued_writes",
                "Entries queued for Redis or on their way there",
                stats.queued_writes,
            ),
            (
                "neuralblitz_cache_queued_purges",
                "Scopes of purges that Redis has not taken yet",
                stats.queued_purges,
            ),
            (
                "neuralblitz_cache_patterns",
                "Purges by pattern that are kept",
                stats.patterns,
            ),
            (
                "neuralblitz_cache_fetches_under_way",
                "Runs of handlers that may be shared, right now",
                stats.fetches_under_way,
            ),
            (
                "neuralblitz_cache_refreshes_under_way",
                "Stale entries that are being fetched anew in the background, right now",
                stats.refreshes_under_way,
            ),
        ] {
            let value = value as u64;
            begin(encoder, &family(name, help), MetricType::Gauge)?.encode_gauge(&value)?;
        }
        Ok(())
    }

    fn totals(&mut self) -> fmt::Result {
        let (observer, encoder) = (&self.cache.observer, &mut self.encoder);
        for (name, help, event) in [
            ("neuralblitz_cache_stored", "Entries stored", Event::Stored),
            ("neuralblitz_cache_purges", "Purges", Event::Purge),
            (
                "neuralblitz_cache_evictions",
                "Entries that left the local tier to make room for others",
                Event::Evicted,
            ),
            (
                "neuralblitz_cache_dropped_writes",
                "Entries that found the write queue full, or Redis left alone",
                Event::WriteDropped,
            ),
            (
                "neuralblitz_cache_swept",
                "Purged entries whose memory in Redis this process gave back",
                Event::Swept,
            ),
            (
                "neuralblitz_cache_fetched_elsewhere",
                "Requests answered by another instance's run of the handler",
                Event::FetchedElsewhere,
            ),
            (
                "neuralblitz_cache_record_reads",
                "Times when the record of purges was read whole",
                Event::RecordRead,
            ),
            (
                "neuralblitz_cache_widened_purges",
                "Times when everything was purged in place of too much that waited",
                Event::PurgeWidened,
            ),
            (
                "neuralblitz_cache_refused_tags",
                "Responses not stored because of too many tags, or too long ones",
                Event::TagsRefused,
            ),
        ] {
            let value = observer.total(event);
            let family = family(name, help);
            let mut metric = begin(encoder, &family, MetricType::Counter)?;
            metric.encode_counter::<NoLabelSet, _, f64>(&value, None)?;
        }
        Ok(())
    }
}
