"""Settings of intake: limits for clients, lifetimes of files and rows, and quotas of projects."""

from config.knobs import bounds, knob, seconds, whole

# --- Limits of what clients may send -----------------------------------------------------------------------------------

MAX_FILE_BYTES = knob("MAX_FILE_BYTES", whole(1), 512 * 1024**2)  # one uploaded file
MAX_BATCH_FILE_BYTES = knob("MAX_BATCH_FILE_BYTES", whole(1), 200 * 1024**2)  # a batch's input file
MAX_BATCH_LINES = knob("MAX_BATCH_LINES", whole(1), 50_000)  # requests in one batch
MAX_WINDOW_HOURS = knob("MAX_WINDOW_HOURS", whole(48), 168)  # the longest completion window; dialects' own go up to 48
MAX_INLINE_REQUESTS = knob("MAX_INLINE_REQUESTS", whole(1), 100_000)  # requests inside one create call
MAX_INLINE_BYTES = knob("MAX_INLINE_BYTES", whole(1), 256 * 1024**2)  # the body of such a call
MAX_BULK_ITEMS = knob("MAX_BULK_ITEMS", whole(1), 100)  # items of a bulk write (Merge)
MAX_BULK_BYTES = knob("MAX_BULK_BYTES", whole(1), 5 * 1024**2)  # the body of such a call
NOVITA_MAX_FILE_BYTES = knob("NOVITA_MAX_FILE_BYTES", whole(1), 100 * 1024**2)  # one file uploaded in Novita's dialect
MAX_LINE_BYTES = knob("MAX_LINE_BYTES", whole(1), 16 * 1024**2)  # one line of an input file
MAX_JSON_BYTES = knob("MAX_JSON_BYTES", whole(1), 1024**2)  # one JSON request body
MAX_CUSTOM_ID_CHARS = knob("MAX_CUSTOM_ID_CHARS", whole(1, 512), 512)
MAX_STORED_ERRORS = knob("MAX_STORED_ERRORS", whole(1), 1000)  # validation errors stored for one batch; all are counted
MAX_UPLOAD_BYTES = knob("MAX_UPLOAD_BYTES", whole(1), 8 * 1024**3)  # an upload in parts
MAX_PART_BYTES = knob("MAX_PART_BYTES", whole(1), 64 * 1024**2)
UPLOAD_LIFETIME_SECONDS = knob("UPLOAD_LIFETIME_SECONDS", seconds, 3600.0)
FILE_LIFETIME_SECONDS = knob("FILE_LIFETIME_SECONDS", seconds, 30 * 86400.0)  # batch inputs, outputs and errors
NOVITA_INPUT_LIFETIME_SECONDS = knob("NOVITA_INPUT_LIFETIME_SECONDS", seconds, 15 * 86400.0)  # a batch's input, same dialect
RESULTS_LIFETIME_SECONDS = knob("RESULTS_LIFETIME_SECONDS", seconds, 29 * 86400.0)  # Anthropic: from a batch's creation
RESULT_ROWS_SECONDS = knob("RESULT_ROWS_SECONDS", seconds, 86400.0)  # later, answers of an ended batch are read from its files
BATCH_RETENTION_DAYS = knob("BATCH_RETENTION_DAYS", whole(1), None)  # later, an ended batch and all its rows are removed
MINUTE_RETENTION_DAYS = knob("MINUTE_RETENTION_DAYS", whole(1), 30)  # counts by minute, for charts
ERROR_HOUR_RETENTION_DAYS = knob("ERROR_HOUR_RETENTION_DAYS", whole(30), 90)  # counts of error groups by hour
BULK_OPERATION_RETENTION_DAYS = knob("BULK_OPERATION_RETENTION_DAYS", whole(1), 90)  # ended operations, with their outcomes
BODIES_RETENTION_DAYS = knob("BODIES_RETENTION_DAYS", whole(1), None)  # later, requests and answers of an ended batch go
EVENT_RETENTION_DAYS = knob("EVENT_RETENTION_DAYS", whole(1), None)  # later, the timeline of an ended batch is removed
AUDIT_RETENTION_DAYS = knob("AUDIT_RETENTION_DAYS", whole(1), None)  # later, an audit entry is removed
UPLOAD_RETENTION_DAYS = knob("UPLOAD_RETENTION_DAYS", whole(1), 90)  # later, the record of an upload that is over is removed
_AUDIT_FOR_90_DAYS: dict[str, tuple[int, int | None]] = {"audit": (90, None)}
RETENTION_BOUNDS = knob(  # the days that a project may set, by kind; everything else is from 1 day on
    "RETENTION_BOUNDS",
    bounds("bodies", "files", "results", "batches", "events", "audit", "uploads", "deliveries"),
    _AUDIT_FOR_90_DAYS,
)
PRUNE_ROWS = knob("PRUNE_ROWS", whole(100), 2000)  # rows that one statement of retention deletes at most
PRUNE_SECONDS = knob("PRUNE_SECONDS", seconds, 8.0)  # how long one turn of deleting rows lasts; there is one every 10 s
PRUNE_PAUSE = knob("PRUNE_PAUSE", seconds, 2.0)  # the pause after each piece, in times of what the piece took
DATA_UPLOAD_MAX_MEMORY_SIZE = MAX_JSON_BYTES

# --- How much of the API one key and one project may use; 0: no limit ---------------------------------------------------

KEY_REQUESTS_PER_MINUTE = knob("KEY_REQUESTS_PER_MINUTE", whole(0), 6000)
PROJECT_REQUESTS_PER_MINUTE = knob("PROJECT_REQUESTS_PER_MINUTE", whole(0), 12_000)
KEY_CONCURRENT_CALLS = knob("KEY_CONCURRENT_CALLS", whole(0), 32)  # in one web process; an upload counts until its end
PROJECT_CONCURRENT_CALLS = knob("PROJECT_CONCURRENT_CALLS", whole(0), 48)

# --- Defaults of quotas and guards, for projects, batches and providers without their own ------------------------------

PROJECT_MAX_OPEN_BATCHES = knob("PROJECT_MAX_OPEN_BATCHES", whole(0), None)
PROJECT_MAX_PENDING_OBJECTS = knob("PROJECT_MAX_PENDING_OBJECTS", whole(0), None)
PROJECT_MAX_STORED_BYTES = knob("PROJECT_MAX_STORED_BYTES", whole(0), None)
GUARD_SAMPLE = knob("GUARD_SAMPLE", whole(1), 100)  # objects that must have settled before an error rate counts
CURRENCY = knob("CURRENCY", str, "USD")  # of prices and costs; shown, never converted
