"""Error groups over all batches of the caller's projects."""

from typing import Any, TypeVar

from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from batches.api.access import KeyCaller
from batches.api.fields.groups import AnnotateGroup, MuteGroup, ShownBecause, ShownGroup, ShownGroupDetail, ShownMember
from batches.api.fields.names import listed
from batches.api.openapi import documented
from batches.api.openapi.schema import page_of, parameters_of
from batches.api.view import NativeView, require_understood
from batches.filters import ErrorGroupFilter
from batches.http.fields import valid
from batches.http.paging import query_word, wrong_cursor
from batches.models import BatchErrorGroup, ErrorGroup
from batches.rules.errors import NotFound
from batches.services.core.access import Right
from batches.services.insight.error_group_notes import annotate, mute, unmute
from batches.services.insight.error_groups import GROUP_WINDOWS, Group, GroupPosition, GroupWindow, described, largest
from batches.services.insight.group_members import MemberPosition, members, messages
from batches.services.insight.withheld import unquoting, unquoting_group

WINDOW = OpenApiParameter("window", str, enum=list(GROUP_WINDOWS), description="How far back it counts; 24h unless given.")
BATCH = OpenApiParameter("batch", str, description="The id of a batch: only groups that its objects are in.")
AnyPosition = TypeVar("AnyPosition", GroupPosition, MemberPosition)


class GroupQuery(ErrorGroupFilter):
    """The filters of the console, and the parameters of this call."""

    others = frozenset({"window", "batch", "limit", "cursor"})


class ErrorGroups(NativeView):
    """/error-groups"""

    tag = "Error groups"
    thing = "error_group"
    requires = {  # noqa: RUF012 - read only
        "list": Right.READ,
        "retrieve": Right.READ,
        "objects": Right.READ,
        "mute": Right.ACT,
        "unmute": Right.ACT,
        "note": Right.ACT,
    }

    @extend_schema(
        operation_id="list_all_error_groups",
        summary="List error groups",
        parameters=[WINDOW, *parameters_of(GroupQuery), BATCH, *documented.PAGE],
        responses=page_of(ShownGroup, "GroupPage"),
    )
    def list(self, request: Request) -> Response:
        """The error groups of the last hours or days over all batches, the largest first."""
        query, now = request.query_params, timezone.now()
        searched = self._groups(
            Right.READ_BODIES if query.get("text") else Right.READ
        )  # a search in messages needs the right to read bodies
        chosen = GroupQuery(query, queryset=searched, now=now)
        require_understood(chosen, query)
        groups: QuerySet[ErrorGroup] = chosen.matching
        if named := query.get("batch"):
            batch = self.find_batch(named)
            groups = groups.filter(pk__in=BatchErrorGroup.objects.filter(batch=batch, count__gt=0).values("group"))
        after = _position(GroupPosition, query.get("cursor"))
        told = unquoting_group(self.caller.readable)
        page = largest(groups, window=self._window(), now=now, limit=self.limit(), told=told, after=after)
        return self.page(listed(ShownGroup, page.groups), next_cursor=page.following)

    @extend_schema(
        operation_id="retrieve_error_group", summary="Retrieve an error group", parameters=[WINDOW], responses=ShownGroupDetail
    )
    def retrieve(self, _request: Request, fingerprint: str) -> Response:
        """One error group, with some of its messages unchanged, and the properties that its members share."""
        self.allow_parameters("window")
        return self._answer(fingerprint)

    @extend_schema(
        operation_id="list_error_group_objects",
        summary="List the objects of an error group",
        parameters=documented.PAGE,
        responses=page_of(ShownMember, "MemberPage"),
    )
    def objects(self, request: Request, fingerprint: str) -> Response:
        """The failed objects of the group that were not sent again, by batch and line. The batch that failed last comes first."""
        self.allow_parameters("limit", "cursor")
        groups = self._groups()
        self._require(groups, fingerprint)
        page = members(
            groups, fingerprint, limit=self.limit(), after=_position(MemberPosition, request.query_params.get("cursor"))
        )
        return self.page(listed(ShownMember, unquoting(page.errors, self.caller.readable)), next_cursor=page.following)

    @extend_schema(operation_id="mute_error_group", summary="Mute an error group", request=MuteGroup, responses=ShownGroupDetail)
    def mute(self, request: Request, fingerprint: str) -> Response:
        """Mute the group in your projects: it is still counted and shown, with `muted`. Muting it again changes nothing."""
        reason = self._fields(request, MuteGroup)["reason"]
        mute(self._changeable(fingerprint), actor=self.actor, now=timezone.now(), reason=reason)
        return self._answer(fingerprint)

    @extend_schema(
        operation_id="unmute_error_group", summary="Unmute an error group", request=MuteGroup, responses=ShownGroupDetail
    )
    def unmute(self, request: Request, fingerprint: str) -> Response:
        """End the muting of the group in your projects."""
        reason = self._fields(request, MuteGroup)["reason"]
        unmute(self._changeable(fingerprint), actor=self.actor, now=timezone.now(), reason=reason)
        return self._answer(fingerprint)

    @extend_schema(
        operation_id="note_error_group", summary="Annotate an error group", request=AnnotateGroup, responses=ShownGroupDetail
    )
    def note(self, request: Request, fingerprint: str) -> Response:
        """Replace the note of the group in your projects. An empty note removes it."""
        note = self._fields(request, AnnotateGroup)["note"]
        annotate(self._changeable(fingerprint), note, actor=self.actor, now=timezone.now())
        return self._answer(fingerprint)

    def _groups(self, right: Right = Right.READ) -> QuerySet[ErrorGroup]:
        """The groups of the projects in which the caller has the right."""
        if isinstance(self.caller, KeyCaller):
            return ErrorGroup.objects.filter(project=self.caller.key.project)
        return self.caller.access.within(ErrorGroup.objects.all(), right=right)

    def _require(self, groups: QuerySet[ErrorGroup], fingerprint: str) -> ErrorGroup:
        group = groups.filter(fingerprint=fingerprint).select_related("project").first() if "\0" not in fingerprint else None
        if group is None:
            raise NotFound(f"There is no error group with the fingerprint {fingerprint[:100]!r}.", param="fingerprint")
        return group

    def _changeable(self, fingerprint: str) -> QuerySet[ErrorGroup]:
        """The group in the projects where the caller may change it. Raises NotFound and NotPermitted."""
        seen = self._require(self._groups(), fingerprint)
        groups = self._groups(self.right).filter(fingerprint=fingerprint)
        if not groups.exists():
            self.caller.require(self.right, seen.project, act=self.act, target=seen)
        return groups

    def _fields(self, request: Request, serializer: Any) -> dict[str, Any]:
        self.allow_parameters()
        fields: dict[str, Any] = valid(serializer, request.data)
        return fields

    def _window(self) -> GroupWindow:
        word = query_word(self.request.query_params, "window", words=tuple(GROUP_WINDOWS), default=GroupWindow.DAY.word)
        return GROUP_WINDOWS[word]

    def _answer(self, fingerprint: str) -> Response:
        groups = self._groups()
        self._require(groups, fingerprint)
        told = unquoting_group(self.caller.readable)
        found: list[Group] = described(groups, [fingerprint], window=self._window(), now=timezone.now(), told=told)
        shown = dict(ShownGroup(found[0]).data)
        shown["messages"] = messages(self._groups(Right.READ_BODIES), fingerprint)
        shown["because"] = ShownBecause(found[0].because).data
        return Response(shown)


def _position(kind: type[AnyPosition], text: str | None) -> AnyPosition | None:
    if text is None:
        return None
    if (position := kind.read(text)) is None:
        raise wrong_cursor()
    return position
