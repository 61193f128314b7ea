//! Tells in Prometheus' terms what others measured: see [`Timing`].

use std::collections::HashMap;
use std::sync::Arc;

use prometheus::core::{Collector, Desc};
use prometheus::proto::{Bucket, Histogram, LabelPair, Metric, MetricFamily, MetricType};

use crate::ports::Timing;

/// One histogram for each value of a label, or one without; read at the scrape.
pub(super) struct Timings<F> {
    about: Desc,
    label: Option<&'static str>,
    values: Vec<(&'static str, Arc<F>)>,
}

impl<F> Timings<F> {
    /// A histogram of what `timing` gives.
    pub(super) fn one(name: &str, help: &str, timing: Arc<F>) -> Result<Self, prometheus::Error> {
        let about = Desc::new(name.to_owned(), help.to_owned(), Vec::new(), HashMap::new())?;
        Ok(Self { about, label: None, values: vec![("", timing)] })
    }

    /// A histogram for each value of `label`.
    pub(super) fn by(
        label: &'static str,
        (name, help): (&str, &str),
        values: Vec<(&'static str, Arc<F>)>,
    ) -> Result<Self, prometheus::Error> {
        let labels = vec![label.to_owned()];
        let about = Desc::new(name.to_owned(), help.to_owned(), labels, HashMap::new())?;
        Ok(Self { about, label: Some(label), values })
    }

    fn metric(&self, value: &str, timing: &Timing) -> Metric {
        let mut histogram = Histogram::default();
        let bucket = |(bound, count)| {
            let mut bucket = Bucket::default();
            bucket.set_upper_bound(bound);
            bucket.set_cumulative_count(count);
            bucket
        };
        histogram.set_bucket(timing.up_to().map(bucket).collect());
        histogram.set_sample_count(timing.times());
        histogram.set_sample_sum(timing.in_all().as_secs_f64());
        let mut metric = Metric::default();
        if let Some(label) = self.label {
            let mut pair = LabelPair::default();
            pair.set_name(label.to_owned());
            pair.set_value(value.to_owned());
            metric.set_label(vec![pair]);
        }
        metric.set_histogram(histogram);
        metric
    }
}

impl<F: Send + Sync + AsRef<Timing>> Collector for Timings<F> {
    fn desc(&self) -> Vec<&Desc> {
        vec![&self.about]
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let mut family = MetricFamily::default();
        family.set_name(self.about.fq_name.clone());
        family.set_help(self.about.help.clone());
        family.set_field_type(MetricType::HISTOGRAM);
        let metrics =
            self.values.iter().map(|(value, timing)| self.metric(value, (**timing).as_ref()));
        family.set_metric(metrics.collect());
        vec![family]
    }
}
