"""execution: the rule that says whether a batch may be handed over to its provider's own batch API, and whether it is.

A batch, its project or its provider say what they want, in this order. A wish of the batch itself that cannot be met is
refused; a wish of its project or provider then means direct, and the reason stands at the batch.
"""

from dataclasses import dataclass

from django.conf import settings

from batches.models import Batch, Project
from batches.rules.errors import InvalidRequest
from batches.rules.execution import Execution
from providers.jobs.profiles import PROFILES, Profile
from providers.models import Provider

ASKED = "The batch asks for it."


class CannotDelegate(InvalidRequest):
    """This batch cannot be handed over to its provider's batch API."""

    code = "cannot_delegate"


@dataclass(frozen=True, slots=True)
class Choice:
    """How a batch is carried out, and a sentence that says why."""

    execution: Execution
    reason: str


def profile_of(provider: Provider) -> Profile | None:
    """What the provider's batch API allows; None if it has none that is known."""
    return PROFILES.get(provider.jobs_family)


def obstacle(provider: Provider, *, project: Project, endpoint: str) -> str:
    """Why no batch of a project can be handed over here, in one sentence; empty if it can."""
    profile = profile_of(provider)
    if profile is None:
        return f"No batch API of provider {provider.name} is set up."
    if endpoint not in profile.endpoints:
        return f"The batch API of provider {provider.name} does not serve {endpoint}."
    if not project.may_delegate:
        return f"Project {project.slug} does not allow its requests to be stored at a provider."
    return ""


def obstacle_of(batch: Batch, *, provider: Provider) -> str:
    """Why a batch whose input is known cannot be handed over to this provider, in one sentence; empty if it can."""
    problem = obstacle(provider, project=batch.project, endpoint=batch.endpoint)
    return problem or _obstacle_of_input(provider, batch.model)


def _obstacle_of_input(provider: Provider, model: str) -> str:
    """Why the provider's batch API cannot take an input; `model` is empty if it has several."""
    profile = profile_of(provider)
    if profile is not None and profile.one_model and not model:
        return f"The batch API of provider {provider.name} takes one model in a job, and the input asks for several."
    return ""


def chosen_at_submit(asked: str, *, project: Project, provider: Provider, endpoint: str) -> Choice:
    """The execution of a batch to be created. `asked` is the batch's own wish, or empty.

    Raises CannotDelegate for an own wish that cannot be met. `auto` stays until the input is known.
    """
    wished, by = asked, ASKED
    if not wished:
        wished, by = project.execution, f"Project {project.slug} asks for it."
    if not wished:
        wished, by = provider.execution, f"Provider {provider.name} asks for it."
    execution = Execution(wished or Execution.DIRECT)
    if execution is Execution.DIRECT:
        return Choice(execution, by if wished else "")
    problem = obstacle(provider, project=project, endpoint=endpoint)
    if not problem:
        return Choice(execution, by)
    if asked and execution.is_handed_over:
        raise CannotDelegate(problem, param="execution")
    return Choice(Execution.DIRECT, problem)


def chosen_at_start(batch: Batch, *, model: str, requests: int) -> Choice:
    """The execution of a batch whose input is known: `model` is empty if it has several.

    Raises CannotDelegate if the batch can only run directly although it asks for more itself.
    """
    execution = Execution(batch.execution)
    if execution is Execution.DIRECT:
        return Choice(execution, batch.execution_reason)
    problem = obstacle(batch.provider, project=batch.project, endpoint=batch.endpoint)
    problem = problem or _obstacle_of_input(batch.provider, model)
    if execution is Execution.AUTO:
        window = (batch.expires_at - batch.created_at).total_seconds()
        if not problem and requests < settings.AUTO_JOB_ROWS:
            problem = f"It has fewer than {settings.AUTO_JOB_ROWS:,} requests."
        if not problem and window < settings.AUTO_JOB_WINDOW_SECONDS:
            problem = "Its completion window is too short for a batch API."
        return Choice(Execution.DIRECT, problem) if problem else Choice(Execution.HYBRID, batch.execution_reason)
    if problem and batch.execution_asked:
        raise CannotDelegate(problem, param="execution")
    return Choice(Execution.DIRECT, problem) if problem else Choice(execution, batch.execution_reason)


@dataclass(frozen=True, slots=True)
class Move:
    """How a batch goes on at another provider. `directly`: executors send what the old provider does not bring home."""

    choice: Choice
    directly: bool = False


def chosen_at_move(batch: Batch, *, provider: Provider) -> Move:
    """How an open batch is carried out at another provider.

    Requests of a batch that was handed over go to the batch API of the other provider, too, if it can take them. If not, they
    are sent directly: somebody moves a batch so that it goes on.
    """
    execution = Execution(batch.execution)
    if execution is Execution.DIRECT:
        return Move(Choice(execution, batch.execution_reason))
    if batch.in_progress_at is None:  # its input is not known, and it has no jobs
        problem = obstacle(provider, project=batch.project, endpoint=batch.endpoint)
        return Move(Choice(Execution.DIRECT, problem) if problem else Choice(execution, batch.execution_reason))
    problem = obstacle_of(batch, provider=provider)
    return Move(Choice(Execution.HYBRID, problem), directly=True) if problem else Move(Choice(execution, batch.execution_reason))
