"""The dashboards of the clients: latency, the generator's health, the timeline."""

from grafana_json import annotation, dashboard, dashed, heatmap, number, on_the_right, query, row, series, source, variable
from panels_controller import CPU, HEAP, MEMORY, OPEN_STREAMS, OVERFLOWS, variables

RELEASE = 'namespace=~"$namespace", app_kubernetes_io_instance=~"$release"'
CLIENT = RELEASE + ', pod=~"$pod"'
# The containers of churner and clients, and not a proxy beside them.
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
        number("p50", "Half of all deliveries (one stream receiving one endpoint's change) took no longer. From the visibility of the "
               "EndpointSlice to its arrival; the buckets of all replicas are added up first.", "s", query(latency(0.5), "p50"), **STEP),
        number("p99", "One delivery in a hundred took longer.", "s", query(latency(0.99), "p99"), **STEP),
        number("Never delivered", "Deliveries that had not arrived by the deadline, in the time range shown. Must be 0.", "short",
               query(f"sum(increase(destination_client_deliveries_never_total{{{CLIENT}}}[$__range]))", "never"),
               thresholds=[(0.5, "red")], decimals=0),
        number("Streams open", "Get streams that the clients have open.", "short",
               query(f"sum(destination_client_streams_active{{{CLIENT}}})", "open")),
        number("Streams missing", "Streams wanted that are not open.", "short",
               query(f"sum(destination_client_streams_wanted{{{CLIENT}}}) - sum(destination_client_streams_active{{{CLIENT}}})",
                     "missing"), thresholds=[(0.5, "red")], decimals=0),
        number("Resets", "Streams unexpectedly closed, in the time range shown.", "short",
               query(f"sum(increase(destination_client_streams_reset_total{{{CLIENT}}}[$__range]))", "resets"),
               thresholds=[(0.5, "red")], decimals=0),
        row("Latency of updates"),
        series("Update latency, all clients", "Quantiles over all deliveries of all client pods: buckets are added up over pods before "
               "the quantile is taken. Interpolated within a bucket; the report has exact quantiles. "
               "Dashed: the criteria's limits.", "s",
               query(latency(0.5), "p50"), query(latency(0.95), "p95"), query(latency(0.99), "p99"),
               query(latency(1), "slowest (its bucket's end)"), limits("updateLatency.*|everyClientWithin"),
               overrides=[dashed("limit .*")], min=0, log=10, **STEP),
        heatmap("Update latency, all deliveries", "Deliveries a second by latency. Two bands mean two kinds of delivery: compare the Services.", "s", f"sum by (le) (rate({LATENCY}_bucket{{{CLIENT}}}{RATE}))", **STEP),
        series("p99 by Service", "A Service that is slower than the others.", "s", query(latency(0.99, ["service"]), "{{service}}"),
               min=0, **STEP),
        series("p99 by client pod", "If one client pod is slower than the others, the cause is that pod or its node, not Linkerd.", "s",
               query(latency(0.99, ["pod"]), "{{pod}}"), min=0, **STEP),
        series("Deliveries", "Deliveries a second, by Service. One delivery is one stream receiving one endpoint's change.", "ops",
               query(total(f"{LATENCY}_count", "service"), "{{service}}"), min=0, stack=True, **STEP),
        series("Updates never delivered", "Over a minute, by Service: not arrived by the deadline. The latency includes them, with the "
               "deadline as their time.", "short",
               query(f"sum by (service) (increase(destination_client_deliveries_never_total{{{CLIENT}}}[1m]))", "{{service}}"),
               min=0, **STEP),
        row("Streams"),
        series("Streams wanted and open", "They differ only while clients start or a controller restarts.", "short",
               query(f"sum(destination_client_streams_wanted{{{CLIENT}}})", "wanted"),
               query(f"sum by (pod) (destination_client_streams_active{{{CLIENT}}})", "open {{pod}}"),
               min=0, overrides=[dashed("wanted")], width=8, **STEP),
        series("Streams opened and reset", "Streams a second. Opened includes reopened streams.", "ops",
               query(total("destination_client_streams_created_total"), "opened"),
               query(total("destination_client_streams_reset_total"), "unexpectedly closed"),
               query(total("destination_client_send_timeouts_total"), "unexpectedly closed with status OK (send timeout)"),
               min=0, width=8, **STEP),
        series("How long streams lasted", "Half, and 95 in 100, of the streams that ended lasted no longer. Open streams are not included.", "s",
               query(f"histogram_quantile(0.5, sum by (le) (rate(destination_client_stream_lifetime_histogram_seconds_bucket{{{CLIENT}}}[5m])))", "p50"),
               query(f"histogram_quantile(0.95, sum by (le) (rate(destination_client_stream_lifetime_histogram_seconds_bucket{{{CLIENT}}}[5m])))", "p95"),
               min=0, width=8, **STEP),
        series("Messages", "Updates received a second, by Service.", "ops",
               query(total("destination_client_updates_received_total", "service"), "{{service}}"), min=0, width=8, **STEP),
        series("Errors", "Errors a second: failed or broken connections, by reason; streams refused for good; first messages "
               "that were not additions.", "ops",
               query(total("destination_client_connection_errors_total", "reason"), "connection: {{reason}}"),
               query(total("destination_client_streams_refused_total"), "refused for good"),
               query(total("destination_client_first_messages_not_add_total"), "first message not an add"),
               min=0, width=8, **STEP),
        series("Proxy lifecycle", "With the lifecycle proxy: streams a second that its limits ended (no first item in 3 s, idle "
               "for 5 min, an hour old), and the GetProfile and policy streams.", "ops",
               query(total("destination_client_streams_limited_total", "limit"), "{{limit}}"),
               query(total("destination_client_profile_messages_received_total"), "profile messages"),
               query(total("destination_client_profile_streams_created_total"), "profile streams opened"),
               query(total("destination_client_profile_streams_reset_total"), "profile streams unexpectedly closed"),
               query(total("destination_client_policy_messages_received_total"), "policy messages"),
               query(total("destination_client_policy_streams_created_total"), "policy streams opened"),
               query(total("destination_client_policy_streams_reset_total"), "policy streams unexpectedly closed"),
               min=0, width=8, **STEP),
        row("Validity of the measurement"),
        series("Event loop late (p99)", "How late the client's event loop was. It is part of the measured latency; above a fifth of the smallest "
               "latency limit the run is invalid.", "s",
               query(f"histogram_quantile(0.99, sum by (pod, le) (rate(destination_client_loop_lag_histogram_seconds_bucket{{{CLIENT}}}{RATE})))",
                     "{{pod}}"), min=0, width=8, **STEP),
        series("Observer relists", "Over five minutes: the observer's watch was lost and listed again. Changes in the gap have no latency.", "short",
               query(f"sum by (pod) (increase(destination_client_observer_relists_total{{{CLIENT}}}[5m]))", "{{pod}}"),
               min=0, decimals=0, width=8, **STEP),
        series("Churn late (p99)", "From an action's intended instant until its call was sent (late), and from "
               "there until the API server's last answer (duration).", "s",
               query(f"histogram_quantile(0.99, sum by (le) (rate(churn_action_lag_seconds_bucket{{{RELEASE}}}[1m])))", "late"),
               query(f"histogram_quantile(0.99, sum by (le) (rate(churn_action_duration_seconds_bucket{{{RELEASE}}}[1m])))", "duration"),
               min=0, width=8, **STEP),
        series("Churn failures", "Over a minute: failed actions, and failed calls (most are retried) by reason.", "short",
               query(f"sum(increase(churn_actions_failed_total{{{RELEASE}}}[1m]))", "failed actions"),
               query(f"sum(increase(churn_api_retries_total{{{RELEASE}}}[1m]))", "retried"),
               query(f"sum by (reason) (increase(churn_api_errors_total{{{RELEASE}}}[1m]))", "{{reason}}"), min=0, width=8, **STEP),
        series("The generator's CPU", "Cores that churner and clients use, and their limits. A client at its limit is the bottleneck.", "cores",
               query(f"sum by (pod) (rate(process_cpu_seconds_total{{{OURS}}}{RATE}))", "{{pod}}"),
               query('max by (pod) (kube_pod_container_resource_limits{namespace=~"$namespace", container=~"churn|client", resource="cpu"})',
                     "{{pod}} limit"),
               overrides=[dashed(".* limit")], min=0, width=8, **STEP),
        series("The generator's memory", "Resident memory of churner and clients, and their limits.", "bytes",
               query(f"max by (pod) (process_resident_memory_bytes{{{OURS}}})", "{{pod}}"),
               query('max by (pod) (kube_pod_container_resource_limits{namespace=~"$namespace", container=~"churn|client", resource="memory"})',
                     "{{pod}} limit"),
               overrides=[dashed(".* limit")], min=0, width=8, **STEP),
        series("Open files of the generator", "Open files as a share of the limit. Each virtual client has a connection.", "percentunit",
               query(f"max by (pod) (process_open_fds{{{OURS}}} / process_max_fds{{{OURS}}})", "{{pod}}"), min=0, max=1, width=8, **STEP),
        series("Uptime", "How long churner and clients have been running. A drop is a restart; what was measured before it is lost.", "s",
               query(f"time() - max by (pod) (process_start_time_seconds{{{OURS}}})", "{{pod}}"), min=0, width=8, **STEP),
        series("Age of connections", "The median age of each client pod's connections, open ones included. A drop is a reconnection.", "s",
               query(f'max by (pod) (destination_client_connection_duration_seconds{{{CLIENT}, quantile="0.5"}})', "{{pod}}"),
               min=0, width=8, **STEP),
    ]
    return dashboard(
        "dst-load-clients", "Destination load test / Clients",
        "Update latency at the clients, the state of their streams, and whether the generator itself was fast enough.",
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
        series("Endpoints: planned, in Kubernetes, at the clients", "The size that churn requested last; the endpoints in Kubernetes' "
               "EndpointSlices, as the observer sees them; the endpoints of a stream, on average. The gap between the first two "
               "lines is Kubernetes' part, between the last two the destination controller's.", "short",
               query(f"sum(churn_current_replicas{{{RELEASE}}})", "planned (all Services)"),
               query(promised, "in Kubernetes"), query(fewer, "at the clients"), width=24, height=9, step=True, min=0, **STEP),
        series("Missing and stale endpoints", "In Kubernetes less at the clients, by Service. Above 0: not delivered yet. Below 0: "
               "stale. Must return to 0 after each change.", "short",
               query(f"max by (service) (destination_client_endpoints_promised{{{own}}})"
                     f" - avg by (service) (destination_client_endpoints_held{{{own}}})", "{{service}}"), width=24, step=True, **STEP),
        series("Update latency", "p50 and p99 over all client pods, for the selected Services.", "s",
               query(latency(0.5, where=own), "p50"), query(latency(0.99, where=own), "p99"), width=24, height=6, min=0, **STEP),
        series("Messages", "Updates a second: sent by the controller to all clients, and received by this test's clients.", "ops",
               query(f'sum(rate(grpc_server_msg_sent_total{{namespace=~"$linkerd_namespace", pod=~"$linkerd_pod", container="destination", grpc_method="Get"}}{RATE}))',
                     "sent"),
               query(total("destination_client_updates_received_total", where=own), "received"), width=24, height=6, min=0),
        series("The controller's CPU", "Cores, by container; by process if no kubelet is scraped.", "cores", query(CPU, "{{pod}}"),
               width=24, height=6, min=0),
        series("The controller's memory", "Working set (or resident memory), and live heap.", "bytes", query(MEMORY, "{{pod}} memory"),
               query(HEAP, "{{pod}} live heap"), width=24, height=6, min=0),
        series("Errors", "Streams unexpectedly closed and dropped updates a second (left); updates never delivered, over a minute (right).", "ops",
               query(total("destination_client_streams_reset_total", where=RELEASE), "streams unexpectedly closed"),
               query(f"sum({OVERFLOWS})", "send timeouts or queue overflows"),
               query(f"sum(increase(destination_client_deliveries_never_total{{{own}}}[1m]))", "never delivered"),
               overrides=[on_the_right("never delivered", "short")], width=24, height=6, min=0),
        series("Open Get streams", "Counted by the controller (all clients of the cluster), and by this test's clients.", "short",
               query(f"sum({OPEN_STREAMS})", "controller"),
               query(f"sum(destination_client_streams_active{{{RELEASE}}})", "clients"), width=12, height=6, min=0),
        series("Churn", "Scalings, rollouts and stale-state actions a second, and Services created.", "ops",
               query(total("churn_scale_events_total", where=RELEASE), "scalings"),
               query(total("churn_restart_events_total", where=RELEASE), "rollouts"),
               query(total("churn_provocations_total", where=RELEASE), "stale-state actions"),
               query(total("churn_services_created_total", where=RELEASE), "Services created"), width=12, height=6, min=0, **STEP),
    ]
    marks = [
        annotation("Cycles", "blue", cycles, "A cycle starts", "{{namespace}}"),
        annotation("Scalings", "orange", scales, "Services are scaled", "{{namespace}}"),
        annotation("Rollouts", "purple", restarts, "Rollouts are started", "{{namespace}}"),
    ]
    return dashboard(
        "dst-load-timeline", "Destination load test / Timeline",
        "The plan, Kubernetes, the clients and the controller's cost on one time axis. Annotations are churn's events.",
        [source(), *load_variables(), service_variable(), *variables()], panels, marks,
    )
