"""`python -m tests.batch_apis [PORT]`: the stand-in as a process of its own, until it is interrupted."""

import asyncio
import contextlib
import sys
import threading

from tests.batch_apis.server import BatchApis

if __name__ == "__main__":
    apis = BatchApis(port=int(sys.argv[1]) if len(sys.argv) > 1 else 0)
    ready = threading.Event()
    threading.Thread(target=lambda: (ready.wait(), print(apis.origin, flush=True)), daemon=True).start()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(apis.serve(ready))
