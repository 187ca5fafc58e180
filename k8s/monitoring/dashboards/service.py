"""For who is on call: is it up, is it quick, what is full."""

from k8s.monitoring.dashboards.model import Dashboard, Query, Row, Unit, figures, lines, quantile, rate

_UNARY = '{grpc_method!~".*/(StreamTurn|ResumeTurn|Exchange|ScreenOutput|Write)"}'

_GOALS = Row(
    "Objectives",
    (
        figures(
            "Availability, last hour",
            "Share of requests and streams that did not fail by our fault; the objective is 99.9 %.",
            Unit.SHARE,
            Query("1 - queqiao:availability_errors:ratio_rate1h", "available"),
        ),
        figures(
            "First text within 800 ms, last hour",
            "Share of streamed answers; the objective is 95 %.",
            Unit.SHARE,
            Query("1 - queqiao:first_text_slow:ratio_rate1h", "in time"),
        ),
        figures(
            "Up",
            "Replicas that answer Prometheus.",
            Unit.COUNT,
            Query('sum by (job) (up{job=~"gateway|chat|moderation|billing"})', "{{job}}"),
        ),
        figures(
            "Versions",
            "Replicas by version.",
            Unit.COUNT,
            Query("count by (version) (queqiao_build_info)", "{{version}}"),
        ),
        lines(
            "Budget burn",
            "1 is the pace at which the error budget of 30 days lasts 30 days; alerts page at 14.4 and 6.",
            Unit.COUNT,
            Query("queqiao:availability_errors:ratio_rate5m / 0.001", "availability"),
            Query("queqiao:first_text_slow:ratio_rate5m / 0.05", "first text"),
            limit=14.4,
        ),
    ),
)

_TRAFFIC = Row(
    "Requests",
    (
        lines(
            "Requests a second, by route",
            "At the gateway.",
            Unit.PER_SECOND,
            Query(rate("queqiao_http_requests_total", "route"), "{{route}}"),
        ),
        lines(
            "Errors a second, by status",
            "4xx are the clients', 499 a client that left, 5xx ours.",
            Unit.PER_SECOND,
            Query(rate("queqiao_http_requests_total", "status", where='{status=~"[45].."}'), "{{status}}"),
        ),
        lines(
            "Latency without streams",
            "From a request's arrival to the end of its answer.",
            Unit.SECONDS,
            *(
                Query(
                    quantile(
                        share,
                        "queqiao_http_request_seconds",
                        where='{route!~"/v1/(chat/completions|chat/streams.*|ws)"}',
                    ),
                    f"p{share * 100:g}",
                )
                for share in (0.5, 0.95, 0.99)
            ),
        ),
        lines(
            "gRPC, p95 by method",
            "Calls that stream last as long as their answers or their callers, and are left out.",
            Unit.SECONDS,
            Query(
                quantile(0.95, "grpc_server_handling_seconds", "grpc_method", where=_UNARY),
                "{{grpc_method}}",
            ),
        ),
        lines(
            "gRPC calls a second that did not end with OK",
            "By service and code.",
            Unit.PER_SECOND,
            Query(
                rate("grpc_server_handled_total", "job", "grpc_code", where='{grpc_code!="OK"}'),
                "{{job}} {{grpc_code}}",
            ),
        ),
    ),
)

_STREAMS = Row(
    "Streams",
    (
        lines(
            "First text",
            "From a request's arrival at the gateway; points lead to traces.",
            Unit.SECONDS,
            *(
                Query(quantile(share, "queqiao_http_first_token_seconds"), f"p{share * 100:g}", exemplars=share == 0.95)
                for share in (0.5, 0.95, 0.99)
            ),
            limit=0.8,
        ),
        lines(
            "Gap between pieces of text",
            "What a reader sees as stuttering.",
            Unit.SECONDS,
            *(Query(quantile(share, "queqiao_token_gap_seconds"), f"p{share * 100:g}") for share in (0.5, 0.95, 0.99)),
        ),
        lines(
            "Streams open",
            "By transport.",
            Unit.COUNT,
            Query("sum by (transport) (queqiao_streams_open)", "{{transport}}"),
            Query("sum(queqiao_websockets_open)", "sockets, idle ones too"),
        ),
        lines(
            "Streams ended a second",
            "Failed is our fault, refused the client's or moderation's.",
            Unit.PER_SECOND,
            Query(rate("queqiao_streams_ended_total", "transport", "outcome"), "{{transport}} {{outcome}}"),
        ),
    ),
)

_QUEUE = Row(
    "Admission",
    (
        lines(
            "Turns running and waiting",
            "Waiting for long means that more replicas are needed.",
            Unit.COUNT,
            Query("sum(queqiao_admission_turns_running)", "running"),
            Query("sum(queqiao_admission_queue_depth)", "waiting"),
        ),
        lines(
            "Wait for a place",
            "Of turns that came to run.",
            Unit.SECONDS,
            *(Query(quantile(s, "queqiao_admission_wait_seconds"), f"p{s * 100:g}") for s in (0.5, 0.95, 0.99)),
        ),
        lines(
            "Refused a second",
            "One user's too many (user), full, waited too long (deadline), and rate limits.",
            Unit.PER_SECOND,
            Query(rate("queqiao_admission_refused_total", "why"), "{{why}}"),
            Query(rate("queqiao_admission_rate_limited_total", "limit"), "limit: {{limit}}"),
        ),
        lines(
            "Requests without a rate limit a second",
            "Redis did not answer.",
            Unit.PER_SECOND,
            Query("sum(rate(queqiao_http_rate_unchecked_total[$__rate_interval]))", "unchecked"),
        ),
    ),
)

_PROCESSES = Row(
    "Processes",
    (
        lines(
            "Event-loop lag, p99",
            "What every request of a process waits when its loop is busy or blocked.",
            Unit.SECONDS,
            Query(quantile(0.99, "queqiao_event_loop_lag_seconds", "job"), "{{job}}"),
            limit=0.25,
        ),
        lines(
            "Connections in use",
            "Share of what each pool may open.",
            Unit.SHARE,
            Query(
                'max by (job, store, pool) (queqiao_pool_connections{state="used"} '
                "/ ignoring (state) queqiao_pool_connections_max)",
                "{{job}} {{store}} {{pool}}",
            ),
            limit=0.9,
        ),
        lines(
            "CPU",
            "Cores, of the busiest replica.",
            Unit.CORES,
            Query("max by (job) (rate(process_cpu_seconds_total[$__rate_interval]))", "{{job}}"),
        ),
        lines(
            "Memory",
            "Resident, of the largest replica.",
            Unit.BYTES,
            Query("max by (job) (process_resident_memory_bytes)", "{{job}}"),
        ),
    ),
)

SERVICE = Dashboard(
    "queqiao-service",
    "Queqiao · service",
    "Rate, errors, latency, first text, streams, queue, loop lag, pools.",
    (_GOALS, _TRAFFIC, _STREAMS, _QUEUE, _PROCESSES),
)
