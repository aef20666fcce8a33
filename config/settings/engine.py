"""Settings of the engine: slices, executors, leases and retries; and of Celery, which carries the wakes."""

from ipaddress import IPv4Network, IPv6Network
from typing import Any

from config.knobs import flag, knob, networks, seconds, whole
from config.settings.storage import EMBEDDED, REDIS_URL

SLICE_LINES = knob("SLICE_LINES", whole(1, 5000), 250)  # the lines of one slice
SLICE_BYTES = knob("SLICE_BYTES", whole(1), 4 * 1024**2)  # the most bytes of one slice
EXECUTORS = knob("EXECUTORS", whole(1), 1 if EMBEDDED else 2)  # executors that run at once, over all workers
EXECUTOR_SLOTS = EXECUTORS + 1  # threads of one worker: the next executor begins while the last one finishes its requests
LOOP_SLOTS = 3  # threads of a worker with a delegator, a deliverer, and room for messages that find the two running
EXECUTOR_CONCURRENCY = knob("EXECUTOR_CONCURRENCY", whole(1), 256)  # requests in flight in one executor
EXECUTOR_BUFFER_BYTES = knob("EXECUTOR_BUFFER_BYTES", whole(1), 32 * 1024**2)  # requests and responses in one executor
EXECUTOR_ANSWER_BYTES = knob("EXECUTOR_ANSWER_BYTES", whole(1), 64 * 1024**2)  # answers being read or not recorded yet
EXECUTOR_SECONDS = knob("EXECUTOR_SECONDS", seconds, 3600.0)  # after so long an executor leaves its seat to the next one
EXECUTOR_IDLE_SECONDS = knob("EXECUTOR_IDLE_SECONDS", seconds, 5.0)
LEASE_SECONDS = knob("LEASE_SECONDS", seconds, 30.0)  # a killed worker's slices run again after this
MAX_LOST_LEASES = knob("MAX_LOST_LEASES", whole(1, 1000), 5)  # of a slice, in a row; one more, and its requests fail
FLUSH_ROWS = knob("FLUSH_ROWS", whole(1), 500)
FLUSH_SECONDS = knob("FLUSH_SECONDS", seconds, 0.2)
REQUEST_TIMEOUT_SECONDS = knob("REQUEST_TIMEOUT_SECONDS", seconds, 600.0)  # one call to an upstream
UPSTREAM_PROXIES_FROM_ENVIRONMENT = knob("UPSTREAM_PROXIES_FROM_ENVIRONMENT", flag, True)  # HTTPS_PROXY and the like
# The networks, besides public addresses, that addresses given by members of a project may lead to.
TENANT_NETWORKS: list[IPv4Network | IPv6Network] = knob("TENANT_NETWORKS", networks, [])
MAX_RESPONSE_BYTES = knob("MAX_RESPONSE_BYTES", whole(1), 32 * 1024**2)
SIMULATOR = knob("SIMULATOR", flag, True)  # whether providers may use the built-in upstream that makes its answers up
MAX_ATTEMPTS = knob("MAX_ATTEMPTS", whole(1, 100), 5)  # sends of one object in one round
BACKOFF_BASE_SECONDS = knob("BACKOFF_BASE_SECONDS", seconds, 0.5)
BACKOFF_CAP_SECONDS = knob("BACKOFF_CAP_SECONDS", seconds, 60.0)
LONGEST_WAIT_SECONDS = knob("LONGEST_WAIT_SECONDS", seconds, 600.0)  # an object's longest wait for its next attempt
HOLD_PROBE_SECONDS = knob("HOLD_PROBE_SECONDS", seconds, 300.0)  # the longest time between two probes of a held provider
STANDBY_AFTER_SECONDS = knob("STANDBY_AFTER_SECONDS", seconds, 300.0)  # how long a provider is down before its standby takes over
NOT_ANSWERING_SECONDS = knob("NOT_ANSWERING_SECONDS", seconds, 60.0)  # a provider that answers nothing for so long is shown so
NO_PROGRESS_SECONDS = knob("NO_PROGRESS_SECONDS", seconds, 600.0)  # a begun batch of which nothing finishes for so long, too
CANCEL_GRACE_SECONDS = knob("CANCEL_GRACE_SECONDS", seconds, 30.0)  # requests in flight may still settle for this long
JOB_ROWS = knob("JOB_ROWS", whole(1, 100_000), 5000)  # requests of one job at a provider's batch API
JOB_BYTES = knob("JOB_BYTES", whole(1), 64 * 1024**2)  # and the bytes of their lines
JOB_ATTEMPTS = knob("JOB_ATTEMPTS", whole(1, 10), 3)  # jobs for one request before it fails, if it is not sent directly
JOB_POLL_SECONDS = knob("JOB_POLL_SECONDS", seconds, 60.0)  # between two looks at a running job
JOB_POLLS_PER_MINUTE = knob("JOB_POLLS_PER_MINUTE", whole(1), 200)  # looks at one provider whose jobs are looked at one by one
JOB_DOUBT_SECONDS = knob("JOB_DOUBT_SECONDS", seconds, 600.0)  # how long a job is looked for whose create call was not answered
JOB_GRACE_SECONDS = knob("JOB_GRACE_SECONDS", seconds, 600.0)  # how long results that are missing may come late
JOB_CANCEL_SECONDS = knob("JOB_CANCEL_SECONDS", seconds, 900.0)  # how long a cancelled batch waits for the rows of its jobs
JOB_RESERVE_SECONDS = knob("JOB_RESERVE_SECONDS", seconds, 300.0)  # kept before the deadline to finish hybrid batches directly
AUTO_JOB_ROWS = knob("AUTO_JOB_ROWS", whole(1), 100)  # smaller batches with `auto` run directly
AUTO_JOB_WINDOW_SECONDS = knob("AUTO_JOB_WINDOW_SECONDS", seconds, 4 * 3600.0)  # and those with a shorter completion window
RECONCILE_SECONDS = knob("RECONCILE_SECONDS", seconds, 1.0)

CELERY_BROKER_URL = REDIS_URL or "memory://localhost/"
CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, Any] = (
    {"polling_interval": 0.05}
    if EMBEDDED
    else {
        "visibility_timeout": 3600,
        "socket_timeout": 30,
        "socket_keepalive": True,
        "unacked_restore_interval": 2,
        "unacked_restore_throttle": 1,
    }
)
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None  # a worker waits for its broker without a limit
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_DEFAULT_QUEUE = "control"
CELERY_TASK_ROUTES = {
    "batches.engine.execute": {"queue": "execute"},
    "batches.engine.delegate": {"queue": "delegate"},
    "batches.engine.notify": {"queue": "notify"},
}
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_REDIRECT_STDOUTS = False
CELERY_WORKER_ENABLE_REMOTE_CONTROL = False
CELERY_WORKER_SEND_TASK_EVENTS = False
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False  # leases, not the broker, decide who works
CELERY_DB_REUSE_MAX = 1_000_000  # keep the connection between tasks; config.celery checks its health
CELERY_BEAT_SCHEDULE = {
    "reconcile": {
        "task": "batches.engine.reconcile",
        "schedule": RECONCILE_SECONDS,
        "options": {"expires": max(RECONCILE_SECONDS * 5, 5)},
    },
    "assess": {"task": "batches.engine.assess", "schedule": 5.0, "options": {"expires": 5}},
    "prove": {"task": "batches.engine.prove", "schedule": 60.0, "options": {"expires": 60}},
    "prune": {"task": "batches.engine.prune", "schedule": 300.0, "options": {"expires": 300}},
    "sweep": {"task": "batches.engine.sweep", "schedule": 10.0, "options": {"expires": 10}},
}
CELERY_BEAT_SCHEDULER = "config.backends.beat.Scheduler"
CELERY_BEAT_MAX_LOOP_INTERVAL = 5
