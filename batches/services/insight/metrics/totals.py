"""totals: the counters and histograms that all processes have added to."""

import json
import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily

from batches.models import MetricTotal
from batches.services.insight.metrics.names import OTHER, names_of_providers
from batches.services.telemetry.catalogue import CATALOGUE, Counted
from batches.services.telemetry.counts import OVER, SUM, bound_label

Totals = Mapping[tuple[str, ...], float]  # by the values of the labels


def totals(_now: datetime) -> Iterator[Metric]:
    """Every counter and histogram of the catalogue, those that nothing was added to included."""
    rows: defaultdict[str, list[tuple[list[str], float]]] = defaultdict(list)
    for name, labels, total in MetricTotal.objects.order_by().values_list("name", "labels", "total"):
        rows[name].append((json.loads(labels), total))
    named = names_of_providers()
    for counted in CATALOGUE:
        found = _summed(counted, rows[counted.name], named)
        yield _histogram(counted, found) if counted.buckets else _counter(counted, found)


def _summed(counted: Counted, rows: Iterable[tuple[list[str], float]], named: Mapping[uuid.UUID, str]) -> Totals:
    """The totals with names instead of ids. Providers without a label of their own are added up."""
    place = counted.labels.index("provider") if "provider" in counted.labels else None
    found: defaultdict[tuple[str, ...], float] = defaultdict(float, {(value,): 0.0 for value in counted.values})
    for labels, total in rows:
        if place is not None:
            labels[place] = named.get(uuid.UUID(labels[place]), OTHER)
        found[tuple(labels)] += total
    return found


def _counter(counted: Counted, found: Totals) -> Metric:
    family = CounterMetricFamily(counted.name, counted.help, labels=counted.labels)
    for labels, total in sorted(found.items()) or ([] if counted.labels else [((), 0.0)]):
        family.add_metric(labels, total)
    return family


def _histogram(counted: Counted, found: Totals) -> Metric:
    family = HistogramMetricFamily(counted.name, counted.help, labels=counted.labels)
    for labels in sorted({key[:-1] for key in found}) or ([] if counted.labels else [()]):
        buckets, below = [], 0.0
        for place in range(len(counted.buckets) + 1):
            bound = bound_label(counted, place)
            below += found.get((*labels, bound), 0.0)
            buckets.append((OVER if bound == OVER else bound, below))
        family.add_metric(labels, buckets, sum_value=found.get((*labels, SUM), 0.0))
    return family
