"""The threads in which Django runs: few, and shared fairly between clients.

A request needs one of a few slots to run. A client has at most half of the slots, so that slots remain for others; its
further requests wait without a thread. A thread that waits for its client to send or to read gives its slot to others
meanwhile; it is called a guest then. A client has at most half of the guests, too.
"""

import threading
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from queue import SimpleQueue

Job = Callable[[], None]


class NoRoom(Exception):
    """Too many threads already wait for their clients."""


class Threads:
    """Runs jobs in threads. `slots` jobs run at once; besides these, `guests` threads may wait for their clients."""

    def __init__(self, slots: int, *, guests: int) -> None:
        self._lock = threading.Lock()
        self._free = slots
        self._share = max(1, slots // 2)
        self._guests = guests
        self._waiting_for: Counter[Hashable] = Counter()
        self._most_idle = slots
        self._idle = 0
        self._taken: Counter[Hashable] = Counter()
        self._waiting: OrderedDict[Hashable, deque[Callable[[], None]]] = OrderedDict()
        self._jobs: SimpleQueue[tuple[Job, Hashable]] = SimpleQueue()

    def submit(self, job: Job, *, client: Hashable) -> None:
        """Run a job as soon as its client may have a slot. The job raises nothing."""
        self._enter(lambda: self._start(job, client), client=client, first=False)

    @contextmanager
    def waiting_for_client(self, client: Hashable) -> Iterator[None]:
        """Give the slot of this thread to others during the block. Raises NoRoom if too many threads wait already."""
        with self._lock:
            if self._waiting_for.total() >= self._guests or self._waiting_for[client] >= max(self._guests // 2, 1):
                raise NoRoom
            self._waiting_for[client] += 1
            self._leave(client)
        try:
            yield
        finally:
            returned = threading.Event()
            self._enter(returned.set, client=client, first=True)
            returned.wait()
            with self._lock:
                _less(self._waiting_for, client)

    def _enter(self, begin: Callable[[], None], *, client: Hashable, first: bool) -> None:
        """Call `begin` under the lock as soon as this client has a slot. `first`: go before the client's other jobs."""
        with self._lock:
            if self._free and self._taken[client] < self._share:
                self._take(client)
                begin()
                return
            line = self._waiting.setdefault(client, deque())
            line.appendleft(begin) if first else line.append(begin)

    def _take(self, client: Hashable) -> None:
        self._free -= 1
        self._taken[client] += 1

    def _leave(self, client: Hashable) -> None:
        """Give a slot back, and let the next waiting job begin; clients take turns. The caller holds the lock."""
        self._free += 1
        _less(self._taken, client)
        for following in self._waiting:
            if self._taken[following] < self._share:
                break
        else:
            return
        line = self._waiting[following]
        begin = line.popleft()
        if line:
            self._waiting.move_to_end(following)
        else:
            del self._waiting[following]
        self._take(following)
        begin()

    def _start(self, job: Job, client: Hashable) -> None:
        """Run a job in an idle thread, or in a new one. The caller holds the lock."""
        if self._idle:
            self._idle -= 1
        else:
            threading.Thread(target=self._work, name="web", daemon=True).start()
        self._jobs.put((job, client))

    def _work(self) -> None:
        while True:
            job, client = self._jobs.get()
            job()
            del job
            with self._lock:
                self._idle += 1
                self._leave(client)
                if self._idle > self._most_idle:
                    self._idle -= 1
                    return


def _less(counter: Counter[Hashable], client: Hashable) -> None:
    counter[client] -= 1
    if not counter[client]:
        del counter[client]
