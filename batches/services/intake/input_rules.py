"""input_rules: what the lines of a batch's input must be. Validation and every look at an input before it ask this."""

from django.conf import settings

from batches.models import Batch, Dialect
from batches.models.batch import FROM_FILES, OF_ONE_MODEL
from batches.rules.line_rules import LineRules
from providers.models import Provider


def rules_for(batch: Batch) -> LineRules:
    """What the lines of this batch must be."""
    return input_rules(
        dialect=Dialect(batch.dialect), endpoint=batch.endpoint, provider=batch.provider, default_model=batch.default_model
    )


def input_rules(*, dialect: Dialect, endpoint: str, provider: Provider | None, default_model: str) -> LineRules:
    """What the lines of such a batch must be; `provider` is None while nobody knows who carries it out."""
    return LineRules(
        endpoint=endpoint,
        one_model=dialect in OF_ONE_MODEL,
        names_endpoint=dialect != Dialect.NOVITA,
        asks_a_model=endpoint.startswith("/v1/"),
        model=default_model,
        provider=provider.name if provider and default_model else "",
        max_lines=settings.MAX_BATCH_LINES if dialect in FROM_FILES else settings.MAX_INLINE_REQUESTS,
        max_custom_id_chars=settings.MAX_CUSTOM_ID_CHARS,
        max_line_bytes=settings.MAX_LINE_BYTES,
    )
