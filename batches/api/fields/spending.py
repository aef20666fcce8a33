"""What clients of the native API send and get about guards, limits, prices, quotas and costs."""

from decimal import Decimal
from typing import Any

from django.conf import settings
from drf_spectacular.utils import extend_schema_field, extend_schema_serializer, inline_serializer
from rest_framework import serializers

from batches.api.fields.standing import ShownProviderState
from batches.http.fields import Fields, WholeNumber
from batches.models import Counts, Project, ProviderHealth
from batches.services.policy.guards import GUARDS
from batches.services.policy.quota import QUOTAS, quotas
from providers.guards import COST_DECIMALS, COST_DIGITS, MOST_OBJECTS, MOST_TOKENS
from providers.models import Provider, ProviderModel

CURRENCY_HELP = "Of the portal; nothing is converted."


class Fraction(serializers.FloatField):
    """A JSON number from 0 to 1."""

    def __init__(self, **options: Any) -> None:
        bounds = "It must be from 0 to 1."
        messages: dict[str, Any] = {"invalid": "It must be a number.", "min_value": bounds, "max_value": bounds}
        super().__init__(min_value=0, max_value=1, error_messages=messages, **options)

    def to_internal_value(self, data: object) -> float:
        if isinstance(data, bool) or not isinstance(data, int | float):
            self.fail("invalid")
        return super().to_internal_value(data)


class Amount(serializers.DecimalField):
    """Money: a JSON number or, exactly, a string."""

    def __init__(self, **options: Any) -> None:
        messages: dict[str, Any] = {"invalid": "It must be an amount, such as '12.50'.", "min_value": "It must be at least 0."}
        super().__init__(
            max_digits=COST_DIGITS, decimal_places=COST_DECIMALS, min_value=Decimal(0), error_messages=messages, **options
        )

    def to_internal_value(self, data: object) -> Decimal:
        if isinstance(data, bool) or not isinstance(data, int | float | str):
            self.fail("invalid")
        return super().to_internal_value(data)


@extend_schema_serializer(component_name="SetGuards")
class SetGuards(Fields):
    """Guards of one batch; what is null, or not given at its creation, is as its provider has it."""

    default_error_messages = {"invalid": "It must be an object of guards."}  # noqa: RUF012 - declared so by the base class

    max_error_rate = Fraction(required=False, allow_null=True, help_text="The share of failed objects above which it is paused.")
    error_sample = WholeNumber(
        minimum=1, maximum=MOST_OBJECTS, required=False, allow_null=True, help_text="How many must have settled before it counts."
    )
    max_cost = Amount(required=False, allow_null=True, help_text="The cost above which it is paused, as far as that is known.")
    max_tokens = WholeNumber(
        minimum=0,
        maximum=MOST_TOKENS,
        required=False,
        allow_null=True,
        help_text="Input and output tokens above which it is paused.",
    )

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        unknown = [name for name in data if name not in GUARDS] if isinstance(data, dict) else []
        if unknown:
            raise serializers.ValidationError({str(unknown[0])[:100]: "There is no such guard."}, code="no_guard")
        found: dict[str, Any] = super().to_internal_value(data)
        return found


class UpdateBatch(Fields):
    """What may be changed about a batch that runs, or will run."""

    guards = SetGuards(help_text="Those that are named are changed; null is the provider's again.")


@extend_schema_serializer(component_name="Guards")
class ShownGuards(serializers.Serializer[Any]):
    """What pauses a batch; null is no guard."""

    max_error_rate = serializers.FloatField(allow_null=True)
    error_sample = serializers.IntegerField(allow_null=True)
    max_cost = serializers.DecimalField(max_digits=COST_DIGITS, decimal_places=COST_DECIMALS, allow_null=True)
    max_tokens = serializers.IntegerField(allow_null=True)


@extend_schema_serializer(component_name="Usage")
class ShownUsage(serializers.Serializer[Counts]):
    """Tokens as the provider counted them; `cached_tokens` are part of the input, `reasoning_tokens` of the output."""

    input_tokens = serializers.IntegerField()
    output_tokens = serializers.IntegerField()
    cached_tokens = serializers.IntegerField()
    reasoning_tokens = serializers.IntegerField()
    other_tokens = serializers.IntegerField(help_text="Of answers whose provider told only the sum of their tokens.")
    cost = serializers.DecimalField(
        max_digits=28, decimal_places=6, allow_null=True, help_text="As far as it is known; null when nothing is known of it."
    )
    unpriced = serializers.IntegerField(help_text="Objects that succeeded and whose cost is not known: not part of `cost`.")
    currency = serializers.SerializerMethodField(help_text=CURRENCY_HELP)

    def get_currency(self, _counts: Counts) -> str:
        return settings.CURRENCY


@extend_schema_serializer(component_name="Estimate")
class ShownEstimate(serializers.Serializer[Any]):
    """What the requests may use, judged by their size and by the tokens that they allow for their answers."""

    input_bytes = serializers.IntegerField(help_text="Of all request bodies.")
    input_tokens = serializers.IntegerField(allow_null=True, help_text="Null where the endpoint counts no tokens.")
    output_tokens = serializers.IntegerField(allow_null=True, help_text="At most; null when a request sets no limit.")
    cost = serializers.DecimalField(
        max_digits=28, decimal_places=6, allow_null=True, help_text="At most; null when tokens or prices are not known."
    )
    currency = serializers.SerializerMethodField(help_text=CURRENCY_HELP)

    def get_currency(self, _estimate: object) -> str:
        return settings.CURRENCY


@extend_schema_serializer(component_name="ProviderModel")
class ShownModel(serializers.Serializer[ProviderModel]):
    """A model's own limits, which hold besides the provider's, and its prices per million tokens; null is unknown."""

    name = serializers.CharField()
    max_concurrency = serializers.IntegerField(allow_null=True)
    requests_per_minute = serializers.IntegerField(allow_null=True)
    tokens_per_minute = serializers.IntegerField(allow_null=True)
    input_price = serializers.DecimalField(max_digits=12, decimal_places=6, allow_null=True)
    cached_price = serializers.DecimalField(
        max_digits=12, decimal_places=6, allow_null=True, help_text="Of input that came from a cache; null: as any other."
    )
    output_price = serializers.DecimalField(max_digits=12, decimal_places=6, allow_null=True)


@extend_schema_serializer(component_name="ProviderHold")
class ShownHold(serializers.Serializer[ProviderHealth]):
    """Why a provider gets nothing but one request now and then. Its batches wait, and go on when that request succeeds."""

    kind = serializers.CharField(source="hold.value", help_text="Such as `quota_exhausted` or `authentication`.")
    sentence = serializers.CharField(source="hold.sentence", help_text="For people.")
    account_problem = serializers.BooleanField(
        source="has_account_problem", help_text="Somebody has to mend the account; else the provider asks to wait for long."
    )
    since = serializers.DateTimeField(source="held_since")
    failures = serializers.IntegerField(source="hold_strikes", help_text="Calls in a row that failed for this reason.")
    next_try_at = serializers.DateTimeField(source="probe_at")


@extend_schema_serializer(component_name="Provider")
class ShownProvider(serializers.Serializer[Provider]):
    """A provider that may be named in a create call. Where it is, and with what credential, is not shown to anybody."""

    name = serializers.CharField()
    adapter = serializers.CharField()
    simulated = serializers.BooleanField(help_text="Its answers are made up.")
    enabled = serializers.BooleanField()
    endpoints = serializers.SerializerMethodField()
    transport = serializers.SerializerMethodField(
        help_text="The HTTP client that it is reached with: `fast path`, or `aiohttp` where a proxy or certificates of its own "
        "are needed; empty where none is."
    )
    max_concurrency = serializers.IntegerField()
    requests_per_minute = serializers.IntegerField(allow_null=True)
    tokens_per_minute = serializers.IntegerField(allow_null=True)
    guards = ShownGuards(source="*", help_text="Of its batches that have none of their own.")
    currency = serializers.SerializerMethodField(help_text="Of its prices.")
    state = serializers.SerializerMethodField(help_text="How it stands, as everybody sees it: one decision for pages and API.")
    hold = serializers.SerializerMethodField(help_text="Null while nothing holds it.")
    models = serializers.SerializerMethodField(
        help_text="Those with limits or prices of their own; others may be asked for, too."
    )

    def get_endpoints(self, provider: Provider) -> list[str]:
        return sorted(provider.endpoints)

    def get_transport(self, provider: Provider) -> str:
        return provider.way.partition(":")[0]  # the rest tells where it is

    def get_currency(self, _provider: Provider) -> str:
        return settings.CURRENCY

    @extend_schema_field(ShownProviderState)
    def get_state(self, provider: Provider) -> dict[str, Any]:
        return dict(ShownProviderState(self.context["states"][provider.pk]).data)

    @extend_schema_field(ShownHold(allow_null=True))
    def get_hold(self, provider: Provider) -> dict[str, Any] | None:
        found = next((row for row in provider.health.all() if not row.model and row.hold is not None), None)
        return None if found is None else dict(ShownHold(found).data)

    @extend_schema_field(ShownModel(many=True))
    def get_models(self, provider: Provider) -> list[dict[str, Any]]:
        return [dict(ShownModel(model).data) for model in provider.models.all()]


@extend_schema_serializer(component_name="Quota")
class ShownQuota(serializers.Serializer[Any]):
    """How much of something a project may have at once, and has."""

    limit = serializers.IntegerField(allow_null=True, help_text="Null is no limit.")
    used = serializers.IntegerField()


@extend_schema_serializer(component_name="Quotas")
class ShownQuotas(serializers.Serializer[Project]):
    """What a project has and may have. Over a limit, calls are answered with 429 and batches fail their validation."""

    project = serializers.SlugField(source="slug")
    quotas = serializers.SerializerMethodField()

    @extend_schema_field(inline_serializer("QuotaByName", {name: ShownQuota() for name in QUOTAS}))
    def get_quotas(self, project: Project) -> dict[str, Any]:
        return {quota.name: dict(ShownQuota(quota).data) for quota in quotas(project)}
