"""input_rules: the rules for the lines of a batch's input. Validation and all earlier checks use them."""

from django.conf import settings

from batches.models import Batch, Dialect
from batches.models.batch import FROM_FILES, OF_ONE_MODEL
from batches.rules.lines.line_rules import LineRules
from providers.models import Provider


def rules_for(batch: Batch) -> LineRules:
    """The rules for the lines of this batch."""
    return input_rules(
        dialect=Dialect(batch.dialect), endpoint=batch.endpoint, provider=batch.provider, default_model=batch.default_model
    )


def input_rules(*, dialect: Dialect, endpoint: str, provider: Provider | None, default_model: str) -> LineRules:
    """The rules for the lines of a batch with these properties. `provider` is None while the provider is not known."""
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
