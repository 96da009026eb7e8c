"""The dashboards of Linkerd's destination controller."""

from grafana_json import dashboard, dashed, number, on_the_right, query, row, series, source, variable

# The controller's container. Other containers of the Pod have go_* and process_* too.
POD = 'namespace=~"$linkerd_namespace", pod=~"$linkerd_pod"'
DST = POD + ', container="destination"'
GET = DST + ', grpc_method="Get"'
RATE = "[$__rate_interval]"

OPEN_STREAMS = (
    f"sum by (pod) (grpc_server_started_total{{{GET}}})"
    f" - (sum by (pod) (grpc_server_handled_total{{{GET}}}) or 0 * sum by (pod) (grpc_server_started_total{{{GET}}}))"
)
CPU = (
    f"sum by (pod) (rate(container_cpu_usage_seconds_total{{{DST}}}{RATE}))"
    f" or sum by (pod) (rate(process_cpu_seconds_total{{{DST}}}{RATE}))"
)
MEMORY = (
    f"max by (pod) (container_memory_working_set_bytes{{{DST}}})"
    f" or max by (pod) (process_resident_memory_bytes{{{DST}}})"
)
HEAP = f"max by (pod) (go_memstats_heap_inuse_bytes{{{DST}}})"
RESTARTS = (
    f"sum by (pod) (increase(kube_pod_container_status_restarts_total{{{DST}}}[$__range]))"
    f" or sum by (pod) (changes(process_start_time_seconds{{{DST}}}[$__range]))"
)
OVERFLOWS = (
    f"sum by (pod) (rate(destination_stream_send_timeouts_total{{{DST}}}{RATE}))"
    f" or sum by (pod) (rate(endpoint_updates_queue_overflow{{{DST}}}{RATE}))"
)
VIEWS = (
    f"sum by (pod) (destination_endpoint_views_active{{{DST}}})"
    f" or sum by (pod) (endpoints_subscribers{{{DST}}})"
)


def variables():
    """Which destination controller."""
    up = 'process_start_time_seconds{container="destination"}'
    chosen = 'process_start_time_seconds{container="destination", namespace=~"$linkerd_namespace"}'
    return [
        variable("linkerd_namespace", "Linkerd", "Where the destination controller runs", f"label_values({up}, namespace)"),
        variable("linkerd_pod", "Controller", "Pods of the destination controller", f"label_values({chosen}, pod)"),
    ]


def limit(resource):
    return query(
        f'max by (pod) (kube_pod_container_resource_limits{{{DST}, resource="{resource}"}})', "{{pod}} limit"
    )


def resources():
    api = 'resource=~"endpoints|endpointslices"'
    panels = [
        number("Controllers", "Pods of the destination controller that Prometheus scrapes.", "short",
               query(f"count(process_start_time_seconds{{{DST}}})", "pods")),
        number("Memory", "The largest pod's working set, from the kubelet; resident memory if no kubelet is scraped.", "bytes", query(f"max({MEMORY})", "largest")),
        number("Live heap", "Go heap in use. A leak shows here; resident memory also rises while "
               "Services are scaled down, until garbage is collected.", "bytes", query(f"max({HEAP})", "largest")),
        number("CPU", "Cores used, all pods together.", "cores", query(f"sum({CPU})", "cores")),
        number("Open streams", "Get streams that were started and have not ended.", "short",
               query(f"sum({OPEN_STREAMS})", "streams")),
        number("Restarts", "Restarts in the time range shown. A run in which the controller restarted is invalid, unless the scenario "
               "judges restarts.", "short", query(f"sum({RESTARTS})", "restarts"),
               thresholds=[(0.5, "red")], decimals=0),
        row("Memory and CPU"),
        series("Memory", "Working set (resident memory if no kubelet is scraped), live heap, and the limit at "
               "which the kernel kills the container. If the kubelet is not scraped, use live heap.", "bytes",
               query(MEMORY, "{{pod}} memory"), query(HEAP, "{{pod}} live heap"), limit("memory"),
               overrides=[dashed(".* limit")], min=0),
        series("CPU", "Cores used, by container; by process if no kubelet is scraped.", "cores",
               query(CPU, "{{pod}}"), limit("cpu"), overrides=[dashed(".* limit")], min=0),
        series("CPU throttling", "Share of scheduling periods in which the container was throttled at its CPU limit. "
               "Anything above 0 adds latency.", "percentunit",
               query(f"sum by (pod) (rate(container_cpu_cfs_throttled_periods_total{{{DST}}}{RATE}))"
                     f" / sum by (pod) (rate(container_cpu_cfs_periods_total{{{DST}}}{RATE}))", "{{pod}}"), min=0, max=1),
        series("Restarts", "Container restarts over five minutes, from the kubelet, or from a new start time of the process.", "short",
               query(f"sum by (pod) (increase(kube_pod_container_status_restarts_total{{{DST}}}[5m]))"
                     f" or sum by (pod) (changes(process_start_time_seconds{{{DST}}}[5m]))", "{{pod}}"), min=0, decimals=0),
        row("Go"),
        series("Goroutines", "Each stream has some, and they must end with it: a number that stays high is a leak.",
               "short", query(f"max by (pod) (go_goroutines{{{DST}}})", "{{pod}}"), width=8),
        series("Heap", "In use; idle, not returned to the system; and the size at which Go next collects garbage.",
               "bytes", query(HEAP, "{{pod}} in use"),
               query(f"max by (pod) (go_memstats_heap_idle_bytes{{{DST}}} - go_memstats_heap_released_bytes{{{DST}}})",
                     "{{pod}} idle"),
               query(f"max by (pod) (go_memstats_next_gc_bytes{{{DST}}})", "{{pod}} next collection"), width=8, min=0),
        series("Garbage collection", "Collections a second (left), and bytes allocated a second (right), which cause them.",
               "ops", query(f"sum by (pod) (rate(go_gc_duration_seconds_count{{{DST}}}{RATE}))", "{{pod}} collections"),
               query(f"sum by (pod) (rate(go_memstats_alloc_bytes_total{{{DST}}}{RATE}))", "{{pod}} allocated"),
               overrides=[on_the_right(".* allocated", "Bps")], width=8, min=0),
        row("Kubernetes API"),
        series("Watches", "Open watches at the API server, by resource. If one is missing, the controller receives no "
               "events; each client of the load test adds one.", "short",
               query('sum by (resource) (apiserver_longrunning_requests{verb="WATCH", '
                     'resource=~"endpoints|endpointslices|services|pods|nodes"})', "{{resource}}"), width=8),
        series("Writes of endpoints", "Calls a second that write Endpoints or EndpointSlices, by verb and resource.", "reqps",
               query(f'sum by (resource, verb) (rate(apiserver_request_total{{{api}, '
                     f'verb=~"POST|PUT|PATCH|APPLY|DELETE"}}{RATE}))', "{{verb}} {{resource}}"), width=8, min=0),
        series("The controller's API calls", "Calls a second of the controller to the API server, by status code.", "reqps",
               query(f"sum by (code) (rate(http_client_requests_total{{{DST}}}{RATE}))", "{{code}}"), width=8, min=0),
        series("Open files", "Each client connection is an open file. At the limit, new clients are refused.", "short",
               query(f"max by (pod) (process_open_fds{{{DST}}})", "{{pod}} open"),
               query(f"max by (pod) (process_max_fds{{{DST}}})", "{{pod}} limit"),
               overrides=[dashed(".* limit")], min=0),
        series("Reachable", "1 if Prometheus can scrape the controller, 0 if not. A controller that is too busy "
               "to be scraped is not ready either.", "short", query(f"min by (pod) (up{{{DST}}})", "{{pod}}"),
               step=True, min=0, max=1, decimals=0),
    ]
    return dashboard(
        "dst-load-control-plane", "Destination load test / Control plane",
        "The cost of the load for Linkerd's destination controller: memory, CPU, Go runtime, restarts, and the API server's part.",
        [source(), *variables()], panels,
    )


def lag(kind):
    name = f"{kind}_informer_lag_seconds_bucket"
    return query(f"histogram_quantile(0.99, sum by (le) (rate({name}{{{DST}}}[5m])))", kind)


def cache(kind):
    return query(f"max by (pod, cluster) ({kind}_cache_size{{{DST}}})", f"{kind} {{{{cluster}}}} {{{{pod}}}}")


def labelled(expr, words):
    """Labels one side of an `or`."""
    return f'label_replace({expr}, "measured", "{words}", "", "")'


def send(quantile):
    mine = f"histogram_quantile({quantile}, sum by (le) (rate(destination_stream_send_duration_seconds_bucket{{{DST}}}{RATE})))"
    clients = f"histogram_quantile({quantile}, sum by (le) (rate(destination_client_update_latency_histogram_seconds_bucket{RATE})))"
    return query(
        labelled(mine, "send, by the controller") + " or " + labelled(clients, "whole update, by the clients"),
        f"p{float(quantile) * 100:g} {{{{measured}}}}",
    )


def internals():
    panels = [
        row("Streams"),
        series("Open Get streams", "Started less ended. Should equal the streams of the load test's clients and of the "
               "cluster's proxies.", "short", query(OPEN_STREAMS, "{{pod}}"), width=8, min=0),
        series("Views, or subscribers", "destination_endpoint_views_active if the build has it; otherwise endpoints_subscribers, "
               "the subscribers of each set of endpoints. A value that stays high after streams ended is a leak.", "short",
               query(VIEWS, "{{pod}}"), width=8, min=0),
        series("Streams that ended, by code", "Streams a second. The controller also ends streams with OK when their queue is full, "
               "and when a client leaves: OK is not always a success.", "ops",
               query(f"sum by (grpc_code) (rate(grpc_server_handled_total{{{GET}}}{RATE}))", "{{grpc_code}}"), width=8, min=0),
        series("GetProfile and endpoint-profile listeners", "Subscribers of service profiles and of single pods. "
               "The controller never removes the series of profiles.", "short",
               query(f"sum by (pod) (profile_subscribers{{{DST}}})", "{{pod}} profiles"),
               query(f"sum by (pod) (workload_subscribers{{{DST}}})", "{{pod}} workloads"), width=12, min=0),
        series("How long Get streams lasted (p95)", "Of the streams that ended. The buckets are 0.1, 1, 300 and 3,600 s, so this is "
               "an order of magnitude only. Open streams are not included.", "s",
               query(f"histogram_quantile(0.95, sum by (le) (rate(grpc_server_handling_seconds_bucket{{{GET}}}[5m])))", "p95"),
               width=12, min=0),
        row("Updates"),
        series("Endpoint updates", "Endpoint updates a second that the controller processed, those without a "
               "difference included (endpoints_updates).", "ops",
               query(f"sum by (pod) (rate(endpoints_updates{{{DST}}}{RATE}))", "{{pod}}"), width=8, min=0),
        series("Messages sent", "Updates a second that the controller handed to the transport: the fan-out.", "ops",
               query(f"sum by (pod) (rate(grpc_server_msg_sent_total{{{GET}}}{RATE}))", "{{pod}}"), width=8, min=0),
        series("Busiest Services", "The ten Services with the most endpoint updates a second.", "ops",
               query(f"topk(10, sum by (service) (rate(endpoints_updates{{{DST}}}{RATE})))", "{{service}}"), width=8, min=0),
        row("Back-pressure"),
        series("Send timeouts, or queue overflows", "A second: destination_stream_send_timeouts_total if the build has it; otherwise "
               "endpoint_updates_queue_overflow. Each is a stream that was ended because it did not read its updates. Must be 0.",
               "ops", query(OVERFLOWS, "{{pod}}"), width=8, min=0),
        series("How long sending takes", "destination_stream_send_duration_seconds if the build has it. Beside it, on every build, the whole update "
               "latency at the clients, of which sending is a part.", "s",
               send("0.95"), send("0.99"), width=8, min=0),
        series("Overflows of profile queues", "The same for GetProfile streams of Services and of single pods, a second.", "ops",
               query(f"sum by (pod) (rate(profile_updates_queue_overflow{{{DST}}}{RATE}))", "{{pod}} profiles"),
               query(f"sum by (pod) (rate(endpoint_profile_updates_queue_overflow{{{DST}}}{RATE}))", "{{pod}} endpoint profiles"),
               width=8, min=0),
        row("Informers"),
        series("Informer lag (p99)", "From the newest managedFields time of an object until the controller receives it. For updates only "
               "(no creations, no server-side apply), in whole seconds, with 0.5 s as the smallest bucket, remote clusters "
               "included, and Services and Servers counted twice. It cannot show less than about a second: use the clients' "
               "latency for that.", "s",
               lag("endpointslices"), lag("pods"), lag("services"), lag("servers"), min=0),
        series("Caches", "Objects in the controller's caches, by kind and cluster. Should follow the cluster's own counts.", "short",
               cache("endpointslices"), cache("pod"), cache("service"), cache("node"), min=0),
        series("Linked clusters", "Other clusters whose endpoints the controller reads (cluster_store_size).", "short",
               query(f"max by (pod) (cluster_store_size{{{DST}}})", "{{pod}}"), min=0, decimals=0),
        series("ExternalWorkload queue", "Queue length of the controller that writes EndpointSlices of ExternalWorkloads. Every Service "
               "event passes through it, although the load test has no ExternalWorkloads.", "short",
               query(f"max by (pod) (workqueue_depth{{{DST}}})", "{{pod}}"), min=0),
    ]
    return dashboard(
        "dst-load-destination", "Destination load test / Destination internals",
        "Linkerd's destination controller from its own metrics: streams, updates, back-pressure, informers. With the metrics of "
        "today's builds, and of builds with endpoint views if there are any.",
        [source(), *variables()], panels,
    )
