"""The dashboards that look at Linkerd's destination controller."""

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
        number("Controllers", "Pods of the destination controller that Prometheus reaches.", "short",
               query(f"count(process_start_time_seconds{{{DST}}})", "pods")),
        number("Memory", "Working set as the kubelet sees it; resident memory where no kubelet is scraped. "
               "The largest pod.", "bytes", query(f"max({MEMORY})", "largest")),
        number("Live heap", "What Go uses of its heap. This is what leaks; resident memory also rises while "
               "the controller scales down, until garbage is collected.", "bytes", query(f"max({HEAP})", "largest")),
        number("CPU", "Cores used, all pods together.", "cores", query(f"sum({CPU})", "cores")),
        number("Open streams", "Get streams that were started and have not ended.", "short",
               query(f"sum({OPEN_STREAMS})", "streams")),
        number("Restarts", "Restarts in the time that is shown. A run in which the controller restarted unasked "
               "is invalid.", "short", query(f"sum({RESTARTS})", "restarts"),
               thresholds=[(0.5, "red")], decimals=0),
        row("Memory and CPU"),
        series("Memory", "Working set (resident memory where no kubelet is scraped), live heap, and the limit at "
               "which the kernel kills the container. If the kubelet is not scraped, watch live heap.", "bytes",
               query(MEMORY, "{{pod}} memory"), query(HEAP, "{{pod}} live heap"), limit("memory"),
               overrides=[dashed(".* limit")], min=0),
        series("CPU", "Cores used: by the container, or by the process where no kubelet is scraped.", "cores",
               query(CPU, "{{pod}}"), limit("cpu"), overrides=[dashed(".* limit")], min=0),
        series("CPU throttling", "Share of the scheduler's periods in which the container was stopped for being at its "
               "CPU limit. Anything above 0 shows in latency.", "percentunit",
               query(f"sum by (pod) (rate(container_cpu_cfs_throttled_periods_total{{{DST}}}{RATE}))"
                     f" / sum by (pod) (rate(container_cpu_cfs_periods_total{{{DST}}}{RATE}))", "{{pod}}"), min=0, max=1),
        series("Restarts", "Containers that ended and were started again, each counted over five minutes; by the kubelet, "
               "or by a new start time of the process.", "short",
               query(f"sum by (pod) (increase(kube_pod_container_status_restarts_total{{{DST}}}[5m]))"
                     f" or sum by (pod) (changes(process_start_time_seconds{{{DST}}}[5m]))", "{{pod}}"), min=0, decimals=0),
        row("Go"),
        series("Goroutines", "Each stream has some. They must go when streams go: a number that stays up is a leak.",
               "short", query(f"max by (pod) (go_goroutines{{{DST}}})", "{{pod}}"), width=8),
        series("Heap", "In use; idle, which Go has not given back; and the size at which it next collects garbage.",
               "bytes", query(HEAP, "{{pod}} in use"),
               query(f"max by (pod) (go_memstats_heap_idle_bytes{{{DST}}} - go_memstats_heap_released_bytes{{{DST}}})",
                     "{{pod}} idle"),
               query(f"max by (pod) (go_memstats_next_gc_bytes{{{DST}}})", "{{pod}} next collection"), width=8, min=0),
        series("Garbage collection", "Collections a second (left), and bytes allocated a second (right), which cause them.",
               "ops", query(f"sum by (pod) (rate(go_gc_duration_seconds_count{{{DST}}}{RATE}))", "{{pod}} collections"),
               query(f"sum by (pod) (rate(go_memstats_alloc_bytes_total{{{DST}}}{RATE}))", "{{pod}} allocated"),
               overrides=[on_the_right(".* allocated", "Bps")], width=8, min=0),
        row("Kubernetes API"),
        series("Watches", "Watches that the API server holds open, by what is watched. One that is missing makes the "
               "controller deaf; one more for each client of ours is expected.", "short",
               query('sum by (resource) (apiserver_longrunning_requests{verb="WATCH", '
                     'resource=~"endpoints|endpointslices|services|pods|nodes"})', "{{resource}}"), width=8),
        series("Writes of endpoints", "Calls a second that write Endpoints or EndpointSlices: how often Kubernetes says "
               "that something changed. The API server's verbs are in capitals.", "reqps",
               query(f'sum by (resource, verb) (rate(apiserver_request_total{{{api}, '
                     f'verb=~"POST|PUT|PATCH|APPLY|DELETE"}}{RATE}))', "{{verb}} {{resource}}"), width=8, min=0),
        series("The controller's own calls", "Calls a second of the controller to the API server, by answer.", "reqps",
               query(f"sum by (code) (rate(http_client_requests_total{{{DST}}}{RATE}))", "{{code}}"), width=8, min=0),
        series("Open files", "Each connection of a client takes one. At the limit new clients are refused.", "short",
               query(f"max by (pod) (process_open_fds{{{DST}}})", "{{pod}} open"),
               query(f"max by (pod) (process_max_fds{{{DST}}})", "{{pod}} limit"),
               overrides=[dashed(".* limit")], min=0),
        series("Reachable", "1 where Prometheus can scrape the controller, 0 where it cannot. A controller that is too busy "
               "to be scraped is not ready either.", "short", query(f"min by (pod) (up{{{DST}}})", "{{pod}}"),
               step=True, min=0, max=1, decimals=0),
    ]
    return dashboard(
        "dst-load-control-plane", "Destination load test / Control plane",
        "What the load costs Linkerd's destination controller: memory, CPU, Go, restarts, and the API server's part in it.",
        [source(), *variables()], panels,
    )


def lag(kind):
    name = f"{kind}_informer_lag_seconds_bucket"
    return query(f"histogram_quantile(0.99, sum by (le) (rate({name}{{{DST}}}[5m])))", kind)


def cache(kind):
    return query(f"max by (pod, cluster) ({kind}_cache_size{{{DST}}})", f"{kind} {{{{cluster}}}} {{{{pod}}}}")


def labelled(expr, words):
    """Tells the two sides of an `or` apart."""
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
        series("Open Get streams", "Started less ended. Should be what the clients want, and what other proxies of the "
               "cluster have open.", "short", query(OPEN_STREAMS, "{{pod}}"), width=8, min=0),
        series("Views, or subscribers", "destination_endpoint_views_active where a build has it; otherwise endpoints_subscribers, "
               "the streams that listen to each set of endpoints. Stays up after streams ended: a leak.", "short",
               query(VIEWS, "{{pod}}"), width=8, min=0),
        series("Streams that ended, by code", "A second. The controller answers OK also when it drops a stream that could not "
               "take its updates, and when a client goes: OK does not mean well.", "ops",
               query(f"sum by (grpc_code) (rate(grpc_server_handled_total{{{GET}}}{RATE}))", "{{grpc_code}}"), width=8, min=0),
        series("GetProfile and endpoint-profile listeners", "Streams that listen to service profiles and to single pods. "
               "Profiles' counts are never unregistered.", "short",
               query(f"sum by (pod) (profile_subscribers{{{DST}}})", "{{pod}} profiles"),
               query(f"sum by (pod) (workload_subscribers{{{DST}}})", "{{pod}} workloads"), width=12, min=0),
        series("How long Get streams lasted (p95)", "Of the streams that ended. Buckets are 0.1, 1, 300 and 3,600 s, so this is "
               "no more than an order of magnitude, and says nothing of streams that are open.", "s",
               query(f"histogram_quantile(0.95, sum by (le) (rate(grpc_server_handling_seconds_bucket{{{GET}}}[5m])))", "p95"),
               width=12, min=0),
        row("Updates"),
        series("Updates worked out", "Times a second that a set of endpoints was compared with the one before; also counts "
               "those that changed nothing.", "ops",
               query(f"sum by (pod) (rate(endpoints_updates{{{DST}}}{RATE}))", "{{pod}}"), width=8, min=0),
        series("Messages sent", "Updates a second that the transport accepted: the fan-out.", "ops",
               query(f"sum by (pod) (rate(grpc_server_msg_sent_total{{{GET}}}{RATE}))", "{{pod}}"), width=8, min=0),
        series("Busiest Services", "The ten Services with the most updates worked out a second.", "ops",
               query(f"topk(10, sum by (service) (rate(endpoints_updates{{{DST}}}{RATE})))", "{{service}}"), width=8, min=0),
        row("Back-pressure"),
        series("Send timeouts, or queue overflows", "A second: destination_stream_send_timeouts_total where a build has it; otherwise "
               "endpoint_updates_queue_overflow. Each means a stream that could not take its updates and was ended. Must be 0.",
               "ops", query(OVERFLOWS, "{{pod}}"), width=8, min=0),
        series("How long sending takes", "destination_stream_send_duration_seconds where a build has it. Beside it, on every build, "
               "the whole update as the clients measure it, of which sending is a part.", "s",
               send("0.95"), send("0.99"), width=8, min=0),
        series("Overflows of profile queues", "The same for GetProfile streams of Services and of single pods, a second.", "ops",
               query(f"sum by (pod) (rate(profile_updates_queue_overflow{{{DST}}}{RATE}))", "{{pod}} profiles"),
               query(f"sum by (pod) (rate(endpoint_profile_updates_queue_overflow{{{DST}}}{RATE}))", "{{pod}} endpoint profiles"),
               width=8, min=0),
        row("Watching Kubernetes"),
        series("Informer lag (p99)", "From the newest managedFields time of an object to the controller's seeing it. Beware: updates "
               "only (no creations, no server-side apply), in whole seconds as Kubernetes writes them, with 0.5 s as the "
               "smallest bucket, remote clusters mixed in, and Services and Servers counted twice. So it cannot show less than "
               "a second or so; use the clients' latency for that.", "s",
               lag("endpointslices"), lag("pods"), lag("services"), lag("servers"), min=0),
        series("Caches", "Objects that the controller holds of each kind and cluster. Should follow the cluster's own counts.", "short",
               cache("endpointslices"), cache("pod"), cache("service"), cache("node"), min=0),
        series("Linked clusters", "Clusters whose endpoints the controller reads beside its own (cluster_store_size).", "short",
               query(f"max by (pod) (cluster_store_size{{{DST}}})", "{{pod}}"), min=0, decimals=0),
        series("ExternalWorkload queue", "Work waiting in the controller that writes EndpointSlices of ExternalWorkloads. Every Service "
               "event passes through it, though no load test has ExternalWorkloads.", "short",
               query(f"max by (pod) (workqueue_depth{{{DST}}})", "{{pod}}"), min=0),
    ]
    return dashboard(
        "dst-load-destination", "Destination load test / Destination internals",
        "What Linkerd's destination controller says of itself: streams, updates, back-pressure, informers. Names of today's "
        "builds, and those of builds with endpoint views where there are any.",
        [source(), *variables()], panels,
    )
