//! The figures of this server, as Prometheus reads them. `grafana.json` is a dashboard for them.

use std::time::Duration;

use axum::{
    extract::{FromRef, State},
    response::IntoResponse,
};
use http::header::CONTENT_TYPE;
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::time::{MissedTickBehavior, interval};
use umbral_presence::Realtime;

/// The upper ends of the buckets of times, in seconds: queueing a change takes microseconds, a
/// database milliseconds.
const BUCKETS: [f64; 13] = [
    0.000_01, 0.000_025, 0.000_1, 0.000_25, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.1, 0.25, 1.0, 5.0,
];

/// Times are gathered at this interval, so that they fill no memory if nobody comes to read them.
const UPKEEP: Duration = Duration::from_secs(5);

/// Begins to record. Call it before anything is served.
pub(crate) fn install() -> Result<PrometheusHandle, BuildError> {
    let times = Matcher::Suffix("_seconds".to_owned());
    let prometheus =
        PrometheusBuilder::new().set_buckets_for_metric(times, &BUCKETS)?.install_recorder()?;
    let kept_up = prometheus.clone();
    tokio::spawn(async move {
        let mut upkeep = interval(UPKEEP);
        upkeep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            upkeep.tick().await;
            kept_up.run_upkeep();
        }
    });
    Ok(prometheus)
}

/// What the route needs.
#[derive(Clone)]
pub(crate) struct Figures {
    pub(crate) realtime: Realtime,
    pub(crate) prometheus: PrometheusHandle,
}

impl FromRef<crate::App> for Figures {
    fn from_ref(app: &crate::App) -> Self {
        Self { realtime: app.realtime.clone(), prometheus: app.prometheus.clone() }
    }
}

/// `GET /metrics`. In production it should not be for everybody: have the proxy refuse it, or serve
/// it on a port of its own.
pub(crate) async fn read(State(figures): State<Figures>) -> impl IntoResponse {
    figures.realtime.report_metrics();
    ([(CONTENT_TYPE, "text/plain; version=0.0.4")], figures.prometheus.render())
}
