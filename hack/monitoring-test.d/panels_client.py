"""The dashboards that look from the clients' side: latency, the generator's health, the timeline."""

from grafana_json import annotation, dashboard, dashed, heatmap, number, on_the_right, query, row, series, source, variable
from panels_controller import CPU, HEAP, MEMORY, OPEN_STREAMS, OVERFLOWS, variables

RELEASE = 'namespace=~"$namespace", app_kubernetes_io_instance=~"$release"'
CLIENT = RELEASE + ', pod=~"$pod"'
# Both halves' own containers, and not a proxy beside them.
OURS = RELEASE + ', container=~"churn|client"'
RATE = "[$__rate_interval]"
# The chart scrapes our own pods every 5 s; two scrapes must always be within a rate.
STEP = {"interval": "10s"}
LATENCY = "destination_client_update_latency_histogram_seconds"


def latency(quantile, by=(), where=CLIENT):
    labels = ", ".join([*by, "le"])
    return f"histogram_quantile({quantile}, sum by ({labels}) (rate({LATENCY}_bucket{{{where}}}{RATE})))"


def total(name, by="", more="", where=CLIENT):
    by = f" by ({by})" if by else ""
    return f"sum{by} (rate({name}{{{where}{more}}}{RATE}))"


def limits(criteria):
    """The limits of the release's criteria, where the chart's rules are installed."""
    return query(
        f'min by (criterion) (dst_load:criterion{{namespace=~"$namespace", criterion=~"{criteria}"}})', "limit {{criterion}}"
    )


def load_variables():
    client = "destination_client_streams_active"
    chosen = 'namespace=~"$namespace"'
    return [
        variable("namespace", "Namespace", "Where the load test runs", f"label_values({client}, namespace)"),
        variable("release", "Release", "The Helm release", f"label_values({client}{{{chosen}}}, app_kubernetes_io_instance)",
                 anything=True),
    ]


def pod_variable():
    chosen = f"destination_client_streams_active{{{RELEASE}}}"
    return variable("pod", "Client", "Client pods", f"label_values({chosen}, pod)")


def service_variable():
    chosen = f"destination_client_endpoints_promised{{{RELEASE}}}"
    return variable("service", "Service", "Services that are churned", f"label_values({chosen}, service)")


def client():
    panels = [
        number("p50", "Half of all deliveries (one stream learning of one endpoint) took no longer. From the visibility of the "
               "EndpointSlice to its arrival; all replicas' buckets are added up first.", "s", query(latency(0.5), "p50"), **STEP),
        number("p99", "One delivery of a hundred took longer.", "s", query(latency(0.99), "p99"), **STEP),
        number("Never arrived", "Deliveries that had not arrived at the deadline, in the time that is shown. Must be 0.", "short",
               query(f"sum(increase(destination_client_deliveries_never_total{{{CLIENT}}}[$__range]))", "never"),
               thresholds=[(0.5, "red")], decimals=0),
        number("Streams open", "Get streams that the clients have open.", "short",
               query(f"sum(destination_client_streams_active{{{CLIENT}}})", "open")),
        number("Streams missing", "Streams wanted that are not open.", "short",
               query(f"sum(destination_client_streams_wanted{{{CLIENT}}}) - sum(destination_client_streams_active{{{CLIENT}}})",
                     "missing"), thresholds=[(0.5, "red")], decimals=0),
        number("Resets", "Streams unexpectedly closed, in the time that is shown.", "short",
               query(f"sum(increase(destination_client_streams_reset_total{{{CLIENT}}}[$__range]))", "resets"),
               thresholds=[(0.5, "red")], decimals=0),
        row("Latency of updates"),
        series("Update latency, all clients", "Quantiles over all deliveries of all client pods: buckets are added up over pods before "
               "the quantile is taken. Interpolated within a bucket, so no finer than those; the report has the exact ones. "
               "Dashed: the criteria's limits.", "s",
               query(latency(0.5), "p50"), query(latency(0.95), "p95"), query(latency(0.99), "p99"),
               query(latency(1), "slowest (its bucket's end)"), limits("updateLatency.*|everyClientWithin"),
               overrides=[dashed("limit .*")], min=0, log=10, **STEP),
        heatmap("Update latency, all deliveries", "How many deliveries a second took how long. Two bands are two kinds of delivery: "
                "look at them by Service.", "s", f"sum by (le) (rate({LATENCY}_bucket{{{CLIENT}}}{RATE}))", **STEP),
        series("p99 by Service", "Is one Service slower than the others?", "s", query(latency(0.99, ["service"]), "{{service}}"),
               min=0, **STEP),
        series("p99 by client pod", "Is one client pod slower than the others? Then it is that pod or its node, and not Linkerd.", "s",
               query(latency(0.99, ["pod"]), "{{pod}}"), min=0, **STEP),
        series("Deliveries", "A second, by Service: one delivery is one stream learning of one endpoint.", "ops",
               query(total(f"{LATENCY}_count", "service"), "{{service}}"), min=0, stack=True, **STEP),
        series("Deliveries that never came", "Over a minute, by Service: not arrived at the deadline. They are also in the "
               "latency, with the deadline as their time.", "short",
               query(f"sum by (service) (increase(destination_client_deliveries_never_total{{{CLIENT}}}[1m]))", "{{service}}"),
               min=0, **STEP),
        row("Streams"),
        series("Streams wanted and open", "They are the same, but while clients start or a controller restarts.", "short",
               query(f"sum(destination_client_streams_wanted{{{CLIENT}}})", "wanted"),
               query(f"sum by (pod) (destination_client_streams_active{{{CLIENT}}})", "open {{pod}}"),
               min=0, overrides=[dashed("wanted")], width=8, **STEP),
        series("Streams opened and reset", "A second. Opened counts those that were opened again.", "ops",
               query(total("destination_client_streams_created_total"), "opened"),
               query(total("destination_client_streams_reset_total"), "unexpectedly closed"),
               query(total("destination_client_send_timeouts_total"), "unexpectedly closed with status OK (send timeout)"),
               min=0, width=8, **STEP),
        series("How long streams lasted", "Half, and 95 of 100, of the streams that ended lasted no longer. Those that are open are "
               "not in it.", "s",
               query(f"histogram_quantile(0.5, sum by (le) (rate(destination_client_stream_lifetime_histogram_seconds_bucket{{{CLIENT}}}[5m])))", "p50"),
               query(f"histogram_quantile(0.95, sum by (le) (rate(destination_client_stream_lifetime_histogram_seconds_bucket{{{CLIENT}}}[5m])))", "p95"),
               min=0, width=8, **STEP),
        series("Messages", "Updates received a second, by Service.", "ops",
               query(total("destination_client_updates_received_total", "service"), "{{service}}"), min=0, width=8, **STEP),
        series("Errors", "A second. Connections that could not be made or broke, by reason; streams refused for good; first messages "
               "that were no additions.", "ops",
               query(total("destination_client_connection_errors_total", "reason"), "connection: {{reason}}"),
               query(total("destination_client_streams_refused_total"), "refused for good"),
               query(total("destination_client_first_messages_not_add_total"), "first message no add"),
               min=0, width=8, **STEP),
        series("As a proxy would", "With the proxy's lifecycle: streams that we ended a second by its rules (no first item in 3 s, idle "
               "for 5 min, an hour old), and GetProfile streams.", "ops",
               query(total("destination_client_streams_limited_total", "limit"), "{{limit}}"),
               query(total("destination_client_profile_messages_received_total"), "profile messages"),
               query(total("destination_client_profile_streams_created_total"), "profile streams opened"),
               query(total("destination_client_profile_streams_reset_total"), "profile streams unexpectedly closed"),
               min=0, width=8, **STEP),
        row("Can the measurement be trusted?"),
        series("Event loop late (p99)", "How late the client's event loop was. It makes latency worse than it is; a run is invalid from a "
               "fifth of its smallest latency limit.", "s",
               query(f"histogram_quantile(0.99, sum by (pod, le) (rate(destination_client_loop_lag_histogram_seconds_bucket{{{CLIENT}}}{RATE})))",
                     "{{pod}}"), min=0, width=8, **STEP),
        series("Observer lists again", "Over five minutes: the observer's watch was lost, and changes within the gap have no time.", "short",
               query(f"sum by (pod) (increase(destination_client_observer_relists_total{{{CLIENT}}}[5m]))", "{{pod}}"),
               min=0, decimals=0, width=8, **STEP),
        series("Churn late (p99)", "From the instant at which the plan wanted an action until its call was sent (late), and from "
               "there until the API server's last answer.", "s",
               query(f"histogram_quantile(0.99, sum by (le) (rate(churn_action_lag_seconds_bucket{{{RELEASE}}}[1m])))", "late"),
               query(f"histogram_quantile(0.99, sum by (le) (rate(churn_action_duration_seconds_bucket{{{RELEASE}}}[1m])))", "duration"),
               min=0, width=8, **STEP),
        series("Churn's failures", "Over a minute: actions given up, and calls that failed (most are tried again) by reason.", "short",
               query(f"sum(increase(churn_actions_failed_total{{{RELEASE}}}[1m]))", "given up"),
               query(f"sum(increase(churn_api_retries_total{{{RELEASE}}}[1m]))", "tried again"),
               query(f"sum by (reason) (increase(churn_api_errors_total{{{RELEASE}}}[1m]))", "{{reason}}"), min=0, width=8, **STEP),
        series("The generator's CPU", "Cores that churn and clients use, and their limits. At its limit a client measures itself.", "cores",
               query(f"sum by (pod) (rate(process_cpu_seconds_total{{{OURS}}}{RATE}))", "{{pod}}"),
               query('max by (pod) (kube_pod_container_resource_limits{namespace=~"$namespace", container=~"churn|client", resource="cpu"})',
                     "{{pod}} limit"),
               overrides=[dashed(".* limit")], min=0, width=8, **STEP),
        series("The generator's memory", "Resident memory of churn and clients, and their limits.", "bytes",
               query(f"max by (pod) (process_resident_memory_bytes{{{OURS}}})", "{{pod}}"),
               query('max by (pod) (kube_pod_container_resource_limits{namespace=~"$namespace", container=~"churn|client", resource="memory"})',
                     "{{pod}} limit"),
               overrides=[dashed(".* limit")], min=0, width=8, **STEP),
        series("Open files of the generator", "Share of the files that may be open. Each virtual client has a connection.", "percentunit",
               query(f"max by (pod) (process_open_fds{{{OURS}}} / process_max_fds{{{OURS}}})", "{{pod}}"), min=0, max=1, width=8, **STEP),
        series("Oldest process", "How long churn and each client have been up. A drop is a restart, and what was measured before is lost.", "s",
               query(f"time() - max by (pod) (process_start_time_seconds{{{OURS}}})", "{{pod}}"), min=0, width=8, **STEP),
        series("Age of connections", "The median age of each client pod's connections, those that stand included. A drop is a reconnection.", "s",
               query(f'max by (pod) (destination_client_connection_duration_seconds{{{CLIENT}, quantile="0.5"}})', "{{pod}}"),
               min=0, width=8, **STEP),
    ]
    return dashboard(
        "dst-load-clients", "Destination load test / Clients",
        "How long it takes until clients know what changed, whether their streams stand, and whether the generator itself was "
        "quick enough to be believed.",
        [source(), *load_variables(), pod_variable()], panels,
    )


def timeline():
    own = f'{RELEASE}, service=~"$service"'
    cycles = f"sum by (namespace) (changes(churn_current_cycle{{{RELEASE}}}[30s])) > 0"
    scales = f"sum by (namespace) (increase(churn_scale_events_total{{{RELEASE}}}[30s])) > 0"
    restarts = f"sum by (namespace) (increase(churn_restart_events_total{{{RELEASE}}}[30s])) > 0"
    fewer = f"sum(avg by (namespace, service) (destination_client_endpoints_held{{{own}}}))"
    promised = f"sum(max by (namespace, service) (destination_client_endpoints_promised{{{own}}}))"
    panels = [
        series("Endpoints: planned, in Kubernetes, at the clients", "What churn asked for last; what Kubernetes' EndpointSlices promise, "
               "as our observer sees it; what a stream holds, on average. Between the first two lines lies Kubernetes' part, "
               "between the last two the destination controller's.", "short",
               query(f"sum(churn_current_replicas{{{RELEASE}}})", "planned (all Services)"),
               query(promised, "in Kubernetes"), query(fewer, "at the clients"), width=24, height=9, step=True, min=0, **STEP),
        series("Endpoints that clients lack or hold too many", "In Kubernetes less at the clients, by Service. Above 0: not told yet. Below: "
               "held though gone. Must come back to 0 after each change.", "short",
               query(f"max by (service) (destination_client_endpoints_promised{{{own}}})"
                     f" - avg by (service) (destination_client_endpoints_held{{{own}}})", "{{service}}"), width=24, step=True, **STEP),
        series("Update latency", "p50 and p99 over all client pods, of the chosen Services.", "s",
               query(latency(0.5, where=own), "p50"), query(latency(0.99, where=own), "p99"), width=24, height=6, min=0, **STEP),
        series("Messages", "Updates a second: as the controller sent them to anybody, and as our clients received them.", "ops",
               query(f'sum(rate(grpc_server_msg_sent_total{{namespace=~"$linkerd_namespace", pod=~"$linkerd_pod", container="destination", grpc_method="Get"}}{RATE}))',
                     "sent"),
               query(total("destination_client_updates_received_total", where=own), "received"), width=24, height=6, min=0),
        series("The controller's CPU", "Cores. By the container, or by the process where no kubelet is scraped.", "cores", query(CPU, "{{pod}}"),
               width=24, height=6, min=0),
        series("The controller's memory", "Working set (or resident memory), and live heap.", "bytes", query(MEMORY, "{{pod}} memory"),
               query(HEAP, "{{pod}} live heap"), width=24, height=6, min=0),
        series("Trouble", "Streams unexpectedly closed and dropped updates a second (left); updates never delivered, over a minute (right).", "ops",
               query(total("destination_client_streams_reset_total", where=RELEASE), "streams unexpectedly closed"),
               query(f"sum({OVERFLOWS})", "send timeouts or queue overflows"),
               query(f"sum(increase(destination_client_deliveries_never_total{{{own}}}[1m]))", "never delivered"),
               overrides=[on_the_right("never delivered", "short")], width=24, height=6, min=0),
        series("Open Get streams", "As the controller counts them (all of the cluster), and as ours count them.", "short",
               query(f"sum({OPEN_STREAMS})", "controller"),
               query(f"sum(destination_client_streams_active{{{RELEASE}}})", "clients"), width=12, height=6, min=0),
        series("What churn does", "Scalings, rollouts and provocations a second, and Services made.", "ops",
               query(total("churn_scale_events_total", where=RELEASE), "scalings"),
               query(total("churn_restart_events_total", where=RELEASE), "rollouts"),
               query(total("churn_provocations_total", where=RELEASE), "provocations"),
               query(total("churn_services_created_total", where=RELEASE), "Services made"), width=12, height=6, min=0, **STEP),
    ]
    marks = [
        annotation("Cycles", "blue", cycles, "A cycle starts", "{{namespace}}"),
        annotation("Scalings", "orange", scales, "Services are scaled", "{{namespace}}"),
        annotation("Rollouts", "purple", restarts, "Rollouts are started", "{{namespace}}"),
    ]
    return dashboard(
        "dst-load-timeline", "Destination load test / Timeline",
        "One axis of time from the plan to the clients: what was asked for, what Kubernetes made of it, when the clients knew, "
        "and what it cost the controller. Marks are churn's own events.",
        [source(), *load_variables(), service_variable(), *variables()], panels, marks,
    )
