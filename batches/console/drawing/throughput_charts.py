"""Charts of the throughput in a span of time: of all batches, or of those of one provider."""

from datetime import datetime

from django.utils import timezone

from batches.console.drawing.charts import BarChart, Series
from batches.services.insight.throughput import Period, Throughput


def span_tabs(address: str, current: Period) -> list[tuple[str, str, bool]]:
    """A tab for each span of time: its words, its address, and whether it is the current one."""
    return [(span.words.capitalize(), f"{address}?span={span.word}", span is current) for span in Period]


def charts(went: Throughput, *, span: Period) -> list[BarChart]:
    """The charts of settled objects, and of faults on the way."""
    labels = [_label(start, span=span) for start in went.starts]
    unit = "a minute" if span is Period.HOUR else "an hour"
    settled = (("Succeeded", "good", "succeeded"), ("Failed", "bad", "failed"))
    wrong = (("Failed for good", "bad", "failed"), ("Tried again", "warn", "retried"))
    return [
        BarChart(what, labels, [Series(label, tone, [getattr(step, name) for step in went.steps]) for label, tone, name in drawn])
        for what, drawn in ((f"Requests {unit}", settled), (f"Failures {unit}", wrong))
    ]


def _label(start: datetime, *, span: Period) -> str:
    start = timezone.localtime(start)
    return f"{start:%a %H:%M}" if span is Period.WEEK else f"{start:%H:%M}"
