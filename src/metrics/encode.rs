//! How families are written.

use crate::observe::Histogram;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, EncodeLabelSet, MetricEncoder,
    NoLabelSet,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;
use std::fmt;

/// How a family is announced.
pub(super) struct Family {
    pub(super) name: &'static str,
    pub(super) help: &'static str,
    pub(super) unit: Option<Unit>,
}

pub(super) const fn family(name: &'static str, help: &'static str) -> Family {
    let unit = None;
    Family { name, help, unit }
}

pub(super) const fn with_unit(name: &'static str, help: &'static str, unit: Unit) -> Family {
    let unit = Some(unit);
    Family { name, help, unit }
}

pub(super) fn begin<'s>(
    encoder: &'s mut DescriptorEncoder<'_>,
    family: &'s Family,
    kind: MetricType,
) -> Result<MetricEncoder<'s>, fmt::Error> {
    encoder.encode_descriptor(family.name, family.help, family.unit.as_ref(), kind)
}

pub(super) fn counters<L: EncodeLabelSet, V: EncodeCounterValue>(
    encoder: &mut DescriptorEncoder<'_>,
    family: &Family,
    values: impl IntoIterator<Item = (L, V)>,
) -> fmt::Result {
    let mut encoder = begin(encoder, family, MetricType::Counter)?;
    for (labels, value) in values {
        let mut metric = encoder.encode_family(&labels)?;
        metric.encode_counter::<NoLabelSet, _, f64>(&value, None)?;
    }
    Ok(())
}

pub(super) fn gauges<L: EncodeLabelSet, V: EncodeGaugeValue>(
    encoder: &mut DescriptorEncoder<'_>,
    family: &Family,
    values: impl IntoIterator<Item = (L, V)>,
) -> fmt::Result {
    let mut encoder = begin(encoder, family, MetricType::Gauge)?;
    for (labels, value) in values {
        encoder.encode_family(&labels)?.encode_gauge(&value)?;
    }
    Ok(())
}

pub(super) fn histogram_of(encoder: &mut MetricEncoder<'_>, histogram: &Histogram) -> fmt::Result {
    let bounds = histogram.bounds().map(|bound| bound.as_secs_f64());
    let bounds = bounds.into_iter().chain([f64::INFINITY]);
    let buckets: Vec<_> = bounds.zip(histogram.counts).collect();
    let (sum, count) = (histogram.sum, histogram.count());
    encoder.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
}

pub(super) fn seconds(millis: u64) -> f64 {
    std::time::Duration::from_millis(millis).as_secs_f64()
}
