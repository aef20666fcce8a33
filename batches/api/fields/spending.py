"""Guards, limits, prices, quotas and costs, as clients of the native API send and get them."""

from decimal import Decimal
from typing import Any
from uuid import UUID

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

CURRENCY_HELP = "The currency of the portal. Amounts are not converted."


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
    """An amount of money: a JSON number, or a string, which is exact."""

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
    """The guards of one batch. For a guard that is null, or not given at the creation, the provider's guard holds."""

    default_error_messages = {"invalid": "It must be an object of guards."}  # noqa: RUF012 - declared so by the base class

    max_error_rate = Fraction(
        required=False, allow_null=True, help_text="The batch is paused above this share of failed objects."
    )
    error_sample = WholeNumber(
        minimum=1,
        maximum=MOST_OBJECTS,
        required=False,
        allow_null=True,
        help_text="The error rate counts once this many objects have settled.",
    )
    max_cost = Amount(required=False, allow_null=True, help_text="The batch is paused above this known cost.")
    max_tokens = WholeNumber(
        minimum=0,
        maximum=MOST_TOKENS,
        required=False,
        allow_null=True,
        help_text="The batch is paused above this number of input and output tokens.",
    )

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        unknown = [name for name in data if name not in GUARDS] if isinstance(data, dict) else []
        if unknown:
            raise serializers.ValidationError({str(unknown[0])[:100]: "There is no such guard."}, code="no_guard")
        found: dict[str, Any] = super().to_internal_value(data)
        return found


class UpdateBatch(Fields):
    """The changes of a batch that has not ended."""

    guards = SetGuards(help_text="The guards to change. With null, the provider's guard holds again.")


@extend_schema_serializer(component_name="Guards")
class ShownGuards(serializers.Serializer[Any]):
    """The bounds beyond which a batch is paused. Null is no guard."""

    max_error_rate = serializers.FloatField(allow_null=True)
    error_sample = serializers.IntegerField(allow_null=True)
    max_cost = serializers.DecimalField(max_digits=COST_DIGITS, decimal_places=COST_DECIMALS, allow_null=True)
    max_tokens = serializers.IntegerField(allow_null=True)


@extend_schema_serializer(component_name="Usage")
class ShownUsage(serializers.Serializer[Counts]):
    """Tokens as the provider counted them. `cached_tokens` are part of the input, `reasoning_tokens` of the output."""

    input_tokens = serializers.IntegerField()
    output_tokens = serializers.IntegerField()
    cached_tokens = serializers.IntegerField()
    reasoning_tokens = serializers.IntegerField()
    other_tokens = serializers.IntegerField(help_text="The tokens of answers for which the provider reported only a sum.")
    cost = serializers.DecimalField(
        max_digits=28, decimal_places=6, allow_null=True, help_text="The known part of the cost; null if no cost is known."
    )
    unpriced = serializers.IntegerField(
        help_text="The number of succeeded objects whose cost is unknown. They are not part of `cost`."
    )
    currency = serializers.SerializerMethodField(help_text=CURRENCY_HELP)

    def get_currency(self, _counts: Counts) -> str:
        return settings.CURRENCY


@extend_schema_serializer(component_name="Estimate")
class ShownEstimate(serializers.Serializer[Any]):
    """An estimate of tokens and cost, from the size of the requests and the tokens that they allow for answers."""

    input_bytes = serializers.IntegerField(help_text="The bytes of all request bodies.")
    input_tokens = serializers.IntegerField(allow_null=True, help_text="Null if the endpoint counts no tokens.")
    output_tokens = serializers.IntegerField(
        allow_null=True, help_text="The most that is possible; null if a request sets no limit."
    )
    cost = serializers.DecimalField(
        max_digits=28,
        decimal_places=6,
        allow_null=True,
        help_text="The most that is possible; null if tokens or prices are unknown.",
    )
    currency = serializers.SerializerMethodField(help_text=CURRENCY_HELP)

    def get_currency(self, _estimate: object) -> str:
        return settings.CURRENCY


@extend_schema_serializer(component_name="ProviderModel")
class ShownModel(serializers.Serializer[ProviderModel]):
    """A model's own limits, which hold besides the provider's, and its prices per million tokens. Null is an unknown price."""

    name = serializers.CharField()
    max_concurrency = serializers.IntegerField(allow_null=True)
    requests_per_minute = serializers.IntegerField(allow_null=True)
    tokens_per_minute = serializers.IntegerField(allow_null=True)
    input_price = serializers.DecimalField(max_digits=12, decimal_places=6, allow_null=True)
    cached_price = serializers.DecimalField(
        max_digits=12,
        decimal_places=6,
        allow_null=True,
        help_text="The price of input from a cache; null: the price of other input.",
    )
    output_price = serializers.DecimalField(max_digits=12, decimal_places=6, allow_null=True)


@extend_schema_serializer(component_name="ProviderHold")
class ShownHold(serializers.Serializer[ProviderHealth]):
    """A provider's hold: only one request is sent now and then. Its batches wait, and go on when that request succeeds."""

    kind = serializers.CharField(
        source="hold.value", help_text="The kind of failure, such as `quota_exhausted` or `authentication`."
    )
    sentence = serializers.CharField(source="hold.sentence", help_text="The reason, for people.")
    account_problem = serializers.BooleanField(
        source="has_account_problem",
        help_text="Whether a person has to mend the account. If false, the provider asks for a long wait.",
    )
    since = serializers.DateTimeField(source="held_since")
    failures = serializers.IntegerField(
        source="hold_strikes", help_text="The number of calls in a row that failed for this reason."
    )
    next_try_at = serializers.DateTimeField(source="probe_at")


@extend_schema_serializer(component_name="Provider")
class ShownProvider(serializers.Serializer[Provider]):
    """A provider that a create call may name. Its address and its credential are never shown."""

    name = serializers.CharField()
    adapter = serializers.CharField()
    simulated = serializers.BooleanField(help_text="Its answers are made up.")
    enabled = serializers.BooleanField()
    endpoints = serializers.SerializerMethodField()
    transport = serializers.SerializerMethodField(
        help_text="The HTTP client that reaches the provider: `fast path`, or `aiohttp` if it needs a proxy or own certificates; "
        "empty for the simulator."
    )
    max_concurrency = serializers.IntegerField()
    requests_per_minute = serializers.IntegerField(allow_null=True)
    tokens_per_minute = serializers.IntegerField(allow_null=True)
    standby = serializers.SerializerMethodField(
        help_text="The provider that takes over its running batches when it is down for long; null for none that you may name."
    )
    guards = ShownGuards(source="*", help_text="The guards of its batches that have no own guards.")
    currency = serializers.SerializerMethodField(help_text="The currency of its prices.")
    state = serializers.SerializerMethodField(help_text="The state of the provider, as pages show it.")
    hold = serializers.SerializerMethodField(help_text="The hold of the provider; null if there is none.")
    models = serializers.SerializerMethodField(
        help_text="The models with limits or prices of their own. Requests may name other models, too."
    )

    def get_endpoints(self, provider: Provider) -> list[str]:
        return sorted(provider.endpoints)

    def get_transport(self, provider: Provider) -> str:
        return provider.way.partition(":")[0]  # the rest names its address

    def get_currency(self, _provider: Provider) -> str:
        return settings.CURRENCY

    def get_standby(self, provider: Provider) -> str | None:
        names: dict[UUID | None, str] = self.context["names"]  # of the providers that the caller may know of
        return names.get(provider.standby_id)

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
    """A quota of a project: the limit, and the present use."""

    limit = serializers.IntegerField(allow_null=True, help_text="Null is no limit.")
    used = serializers.IntegerField()


@extend_schema_serializer(component_name="Quotas")
class ShownQuotas(serializers.Serializer[Project]):
    """The quotas of a project, by name. Beyond a limit, calls are answered with 429, and batches fail their validation."""

    project = serializers.SlugField(source="slug")
    quotas = serializers.SerializerMethodField()

    @extend_schema_field(inline_serializer("QuotaByName", {name: ShownQuota() for name in QUOTAS}))
    def get_quotas(self, project: Project) -> dict[str, Any]:
        return {quota.name: dict(ShownQuota(quota).data) for quota in quotas(project)}
