"""`sign-in`: what strangers who try passwords cost everybody else.

Loops without any credential get the sign-in page and send it with a wrong password, as fast as they are answered: all from
one address, or each from an address of its own (behind a proxy that is trusted), which no bound per address holds back.
Meanwhile an API call is timed, and somebody signs in.
"""

import argparse
import contextlib
import http.client
import multiprocessing
import re
import threading
import time
from dataclasses import asdict, dataclass, fields
from typing import Any
from urllib.parse import urlencode, urlsplit

from tests.benchmarks.client import Client
from tests.benchmarks.inputs import WrongResult
from tests.benchmarks.portal import Portal, embedded, grown_up
from tests.benchmarks.tables import median, table, verdict
from tests.benchmarks.upstream import upstream

PAGE = "/console/login/"
PASSWORD = "a password of somebody"
GOAL = 2.0  # times the median of an API call alone
SIGN_IN_GOAL_SECONDS = 3.0
CALLS_PAUSE = 0.02  # seconds between two calls that are timed
NONE, ONE, MANY = "alone", "beside loops from one address", "beside loops from an address each"


@dataclass(frozen=True, slots=True)
class Found:
    """Seconds of an API call and of signing in, and how often the loops were answered in a second."""

    call: float
    sign_in: float
    loops: float


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--loops", type=int, default=40, help="strangers at once (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=10.0, help="for each measurement (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="interleaved measurements of each kind (default: %(default)s)")


def main(options: argparse.Namespace) -> dict[str, Any]:
    """Measure and print; what was measured."""
    found = {}
    with upstream(latency_ms=10) as stub:
        for kind, made in (("embedded", embedded), ("PostgreSQL and Redis", grown_up)):
            with made(stub, TRUST_PROXY="yes", OPERATOR_PASSWORD=PASSWORD) as portal:
                for words in (("collectstatic", "--no-input", "--verbosity", "0"), ("welcome",)):
                    portal.process.manage(*words).check_returncode()
                portal.process.stop()
                portal.process.start()  # it knows its static files from the beginning
                found[kind] = _rounds(portal, options)
    for kind, by_name in found.items():
        alone = by_name[NONE].call
        rows = []
        for name, each in by_name.items():
            goals = (verdict(each.call / alone, at_most=GOAL), verdict(each.sign_in, at_most=SIGN_IN_GOAL_SECONDS))
            rows.append((name, each.call * 1000, each.call / alone, goals[0], each.sign_in, goals[1], each.loops))
        heads = (kind, "call, ms", "times alone", "goal", "sign-in, s", "goal", "answers/s to loops")
        print("\n" + table(heads, rows))
    return {kind: {name: asdict(each) for name, each in by_name.items()} for kind, by_name in found.items()}


def _rounds(portal: Portal, options: argparse.Namespace) -> dict[str, Found]:
    """The medians of some rounds."""
    rounds = [{name: _measured(portal, name, options) for name in (NONE, ONE, MANY)} for _ in range(options.rounds)]
    return {
        name: Found(*(median(getattr(each[name], field.name) for each in rounds) for field in fields(Found)))
        for name in (NONE, ONE, MANY)
    }


def _measured(portal: Portal, name: str, options: argparse.Namespace) -> Found:
    url, answered = portal.process.url, multiprocessing.Value("i", 0)
    stop = multiprocessing.Event()
    crowd = multiprocessing.Process(target=_crowd, args=(url, options.loops, name == MANY, answered, stop), daemon=True)
    if name != NONE:
        crowd.start()
        time.sleep(2.0)  # until the loops have got going
    answered_before, began = answered.value, time.monotonic()
    calls, sign_ins = [], []
    try:
        while time.monotonic() < began + options.seconds:
            calls.append(_timed(portal.client))
            if len(calls) % 50 == 1:
                sign_ins.append(_sign_in(url))
            time.sleep(CALLS_PAUSE)
    finally:
        stop.set()
        if name != NONE:
            crowd.join()
    loops = (answered.value - answered_before) / (time.monotonic() - began)
    return Found(median(calls), median(sign_ins), loops)


def _timed(client: Client) -> float:
    began = time.monotonic()
    client.get("/v1/batches?limit=20")
    return time.monotonic() - began


def _sign_in(url: str) -> float:
    """Seconds until the operator is signed in, from an address where nobody else is."""
    began = time.monotonic()
    status = _tried(http.client.HTTPConnection(urlsplit(url).netloc, timeout=60), "operator", PASSWORD, "203.0.113.5")
    if status != 302:
        raise WrongResult(f"The operator could not sign in: {status}.")
    return time.monotonic() - began


def _crowd(url: str, loops: int, apart: bool, answered: Any, stop: Any) -> None:
    threads = [threading.Thread(target=_loop, args=(url, number, apart, answered, stop)) for number in range(loops)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _loop(url: str, number: int, apart: bool, answered: Any, stop: Any) -> None:
    address = f"198.51.100.{number}" if apart else "198.51.100.1"
    tries = 0
    while not stop.is_set():
        connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
        with contextlib.suppress(OSError, http.client.HTTPException):
            _tried(connection, f"name-{number}-{tries}", "wrong", address)
        connection.close()
        tries += 1
        with answered.get_lock():
            answered.value += 1


def _tried(connection: http.client.HTTPConnection, name: str, password: str, address: str) -> int:
    """The status that the form is answered with."""
    headers = {"X-Forwarded-For": address}
    connection.request("GET", PAGE, headers=headers)
    page = connection.getresponse()
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.read().decode())
    if token is None:
        return page.status
    cookie = (page.headers.get("Set-Cookie") or "").partition(";")[0]
    form = urlencode({"csrfmiddlewaretoken": token[1], "login": name, "username": name, "password": password})
    headers |= {"Cookie": cookie, "Content-Type": "application/x-www-form-urlencoded"}
    connection.request("POST", PAGE, body=form, headers=headers)
    answer = connection.getresponse()
    answer.read()
    return answer.status
