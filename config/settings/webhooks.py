"""Settings of webhooks: how many receivers a project may have, and how events are delivered to them."""

from config.knobs import knob, seconds, whole

WEBHOOK_ENDPOINTS_PER_PROJECT = knob("WEBHOOK_ENDPOINTS_PER_PROJECT", whole(0), 20)
WEBHOOK_TIMEOUT_SECONDS = knob("WEBHOOK_TIMEOUT_SECONDS", seconds, 15.0)  # one try, from the look-up of the name to the answer
WEBHOOK_CALLS = knob("WEBHOOK_CALLS", whole(1, 1000), 64)  # deliveries in flight in one deliverer
WEBHOOK_CALLS_PER_ENDPOINT = knob("WEBHOOK_CALLS_PER_ENDPOINT", whole(1, 1000), 4)  # and to one endpoint, over all deliverers
WEBHOOK_RETRY_HOURS = knob("WEBHOOK_RETRY_HOURS", seconds, 72.0)  # how long a delivery is tried again
WEBHOOK_DISABLE_AFTER_DAYS = knob("WEBHOOK_DISABLE_AFTER_DAYS", seconds, 5.0)  # an endpoint that fails for so long is disabled
WEBHOOK_TEST_WAIT_SECONDS = knob("WEBHOOK_TEST_WAIT_SECONDS", seconds, 20.0)  # how long a call for a test waits for its answer
WEBHOOK_OVERLAP_HOURS = knob("WEBHOOK_OVERLAP_HOURS", seconds, 24.0)  # a replaced secret signs beside the new one for so long
WEBHOOK_LOG_DAYS = knob("WEBHOOK_LOG_DAYS", whole(1), 30)  # how long deliveries that are over are kept
