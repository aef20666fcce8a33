"""`python -m tests.chaos`: throw random faults at a portal that is at work, then prove every count.

Executors, workers, the beat and the web server are killed, executors are suspended, Redis is flushed and killed, PostgreSQL is
restarted, the disk fills up, the clock is set wrong, and the upstream misbehaves. Meanwhile clients submit, cancel, pause,
resume, retry and prioritise. The exit code is 1 if the proof finds a violation.
"""

import argparse
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

from tests.chaos.faults import Servers
from tests.chaos.havoc import Havoc
from tests.chaos.proof import INPUT_PRICE, OUTPUT_PRICE, repeated, violations
from tests.chaos.stage import Stage, stage
from tests.servers import NoServer

MOST = 20  # the most violations that are printed


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.chaos", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=10.0, help="how long (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="what happens, and when (default: at random)")
    parser.add_argument("--log", type=Path, metavar="PATH", help="keep what the portal wrote there")
    options = parser.parse_args(words)
    print(f"Seed {options.seed}, {options.minutes:g} minutes.", flush=True)
    with tempfile.TemporaryDirectory(prefix="batchyard-chaos-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # PostgreSQL may have to run as another user
        servers = Servers(folder)
        try:
            with stage(folder, DATABASE_URL=servers.database_url, REDIS_URL=servers.redis_url) as running:
                try:
                    return _run(running, servers, options)
                finally:
                    if options.log:
                        options.log.write_text(running.portal.output)
        finally:
            servers.stop()


def _run(running: Stage, servers: Servers, options: argparse.Namespace) -> int:
    started = time.monotonic()
    prices = ("--input-price", str(INPUT_PRICE), "--output-price", str(OUTPUT_PRICE))
    priced = running.portal.manage("provider", "model", "local", "stub", *prices)
    assert priced.returncode == 0, priced.stderr
    havoc = Havoc(running, servers, options.seed, lambda text: print(f"{time.monotonic() - started:7.1f} s  {text}", flush=True))
    havoc.go_on_for(60 * options.minutes)
    running.wait_until(lambda: not havoc.open(), what="every batch had ended")
    found = list(violations(havoc))
    for violation in found[:MOST]:
        print(violation)
    ((batches, objects),) = running.rows("SELECT count(*), sum(total) FROM batches_batch")
    calls = len(running.upstream.requests)
    print(f"\n{batches} batches with {objects:,} objects through {len(havoc.faults)} faults; {calls:,} calls, of which")
    print(f"{repeated(havoc):,} had been answered for good and were made again. {len(found)} violations. Seed {options.seed}.")
    return 1 if found else 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("Stopped."))  # the exit ends the servers and the portal
    try:
        sys.exit(main(sys.argv[1:]))
    except NoServer as reason:
        sys.exit(str(reason))
