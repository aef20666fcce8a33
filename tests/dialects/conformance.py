"""One batch through each dialect: what `test_conformance` asks of all of them, spoken in each one's words.

A new dialect gets a class here and a place in FACES.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from tests.dialects.openai.conftest import CHAT, Answer, Api

# The steps of a batch's life. Each face has a word for each of them.
STEPS = (
    *("validating", "running", "throttled", "finalizing", "cancelling"),
    *("all succeeded", "some failed", "all failed", "rejected", "cancelled", "expired"),
)
MODEL = {"model": "m", "messages": [{"role": "user", "content": "two plus two?"}]}


class Face(Api, ABC):
    """A client of one dialect. `batches` is the path of its batches."""

    batches: ClassVar[str]
    known_by: ClassVar[str] = "id"  # where a batch says who it is
    query: ClassVar[str] = ""  # what every call needs
    words: ClassVar[str]  # a word for each of STEPS
    lists: ClassVar[bool] = True
    cancels: ClassVar[bool] = True

    @classmethod
    def word(cls, step: str) -> str:
        """The dialect's word for a step of a batch's life."""
        return dict(zip(STEPS, cls.words.split(), strict=True))[step]

    def path(self, *parts: str) -> str:
        return "/".join((self.batches, *parts)) + self.query

    def body_of(self, custom_id: str, *, fails: bool = False) -> dict[str, Any]:
        """What a request asks for; the simulator refuses what fails."""
        return MODEL | {"n": custom_id} | ({"simulate": {"status": 400}} if fails else {})

    @abstractmethod
    def document(self, custom_ids: Sequence[str], *, failing: Sequence[str]) -> dict[str, Any]:
        """The body of a create call."""

    def create(self, *custom_ids: str, failing: Sequence[str] = (), **headers: str) -> Answer:
        return self.create_from(self.document(custom_ids, failing=failing), **headers)

    def create_from(self, document: object, **headers: str) -> Answer:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.call("POST", self.path(), data=json.dumps(document).encode(), content_type="application/json", headers=named)

    def batch_id(self, *custom_ids: str, failing: Sequence[str] = ()) -> str:
        answer = self.create(*(custom_ids or ("a",)), failing=failing)
        assert answer.status in (200, 202), answer.content
        return str(answer.json[self.known_by])

    def read(self, batch_id: str) -> Answer:
        return self.get(self.path(batch_id))

    def shown(self, batch_id: str) -> Any:
        answer = self.read(batch_id)
        assert answer.status == 200, answer.content
        assert answer.json[self.known_by] == batch_id
        return answer.json

    def cancel(self, batch_id: str) -> Answer:
        return self.post(self.path(batch_id, "cancel"))

    def listed(self, *, limit: int, after: str | None = None) -> tuple[list[str], str | None]:
        """A page of ids, and the cursor of the next one if there are more."""
        joint = "&" if self.query else "?"
        answer = self.get(f"{self.path()}{joint}limit={limit}" + (f"&after={after}" if after else ""))
        assert answer.status == 200, answer.content
        shown = answer.json
        return [batch["id"] for batch in shown["data"]], shown["last_id"] if shown["has_more"] else None

    def ended(self, batch_id: str) -> bool:
        return self.shown(batch_id)["status"].lower() in ("completed", "failed", "expired", "cancelled", "canceled", "ended")

    @abstractmethod
    def counts(self, batch_id: str) -> tuple[int, int]:
        """How many requests succeeded, and how many did not."""

    @abstractmethod
    def outcomes(self, batch_id: str) -> dict[str, bool]:
        """Which requests have an outcome, and whether each succeeded."""

    @abstractmethod
    def problem(self, answer: Answer) -> str:
        """What an error says, in a body that has the dialect's shape and nothing else."""


class OpenAIFace(Face):
    """Files in, files out."""

    batches = "/v1/batches"
    words = "validating in_progress in_progress finalizing cancelling completed completed completed failed cancelled expired"
    files: ClassVar[str] = "/v1/files"
    window: ClassVar[str] = "24h"

    def line(self, custom_id: str, *, fails: bool) -> dict[str, Any]:
        return {"custom_id": custom_id, "method": "POST", "url": CHAT, "body": self.body_of(custom_id, fails=fails)}

    def store(self, lines: Sequence[object]) -> Answer:
        content = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
        form = b"--b\r\nContent-Disposition: form-data; name=%b\r\n\r\n%b\r\n"
        body = form % (b'"purpose"', b"batch") + form % (b'"file"; filename="jobs.jsonl"', content) + b"--b--\r\n"
        return self.post_bytes(self.files, body, content_type="multipart/form-data; boundary=b")

    def document(self, custom_ids: Sequence[str], *, failing: Sequence[str]) -> dict[str, Any]:
        file_id = self.store([self.line(name, fails=name in failing) for name in custom_ids]).json["id"]
        return {"input_file_id": file_id, "endpoint": CHAT, "completion_window": self.window}

    def counts(self, batch_id: str) -> tuple[int, int]:
        counts = self.shown(batch_id)["request_counts"]
        assert counts["total"] == counts["completed"] + counts["failed"]
        return counts["completed"], counts["failed"]

    def outcomes(self, batch_id: str) -> dict[str, bool]:
        shown = self.shown(batch_id)
        found: dict[str, bool] = {}
        for file_id, succeeded in ((shown["output_file_id"], True), (shown["error_file_id"], False)):
            lines = self.get(f"{self.files}/{file_id}/content").content.splitlines() if file_id else []
            rows = [json.loads(line) for line in lines]
            assert found.keys().isdisjoint(row["custom_id"] for row in rows)
            found |= {row["custom_id"]: succeeded for row in rows}
        return found

    def problem(self, answer: Answer) -> str:
        return str(answer.error["message"])


class NovitaFace(OpenAIFace):
    """The same, with rows that name nothing but themselves."""

    batches = "/openai/v1/batches"
    words = "VALIDATING PROGRESS PROGRESS PROGRESS CANCELLING COMPLETED COMPLETED COMPLETED FAILED CANCELLED EXPIRED"
    files = "/openai/v1/files"
    window = "48h"

    def line(self, custom_id: str, *, fails: bool) -> dict[str, Any]:
        return {"custom_id": custom_id, "body": self.body_of(custom_id, fails=fails)}


class BifrostFace(Face):
    """Requests in the call, results as one document."""

    batches = "/bifrost/v1/batches"
    words = "validating in_progress in_progress finalizing cancelling completed completed completed failed canceled expired"
    query = "?provider=simulator"

    def document(self, custom_ids: Sequence[str], *, failing: Sequence[str]) -> dict[str, Any]:
        items = [{"custom_id": name, "body": self.body_of(name, fails=name in failing)} for name in custom_ids]
        return {"model": "simulator/m", "requests": items}

    def counts(self, batch_id: str) -> tuple[int, int]:
        counts = self.shown(batch_id)["request_counts"]
        others = [counts.get(name, 0) for name in ("failed", "expired", "canceled")]
        assert counts["total"] == counts["completed"] + sum(others) + counts.get("pending", 0)
        return counts["completed"], sum(others)

    def outcomes(self, batch_id: str) -> dict[str, bool]:
        found = self.get(self.path(batch_id, "results")).json
        assert found["batch_id"] == batch_id
        return {item["custom_id"]: _is_success(item) for item in found["results"]}

    def problem(self, answer: Answer) -> str:
        found = answer.json
        assert set(found) - {"extra_fields"} == {"is_bifrost_error", "status_code", "event_id", "type", "error"}
        assert (found["is_bifrost_error"], found["status_code"]) == (True, answer.status)
        assert found["event_id"] == answer.headers["x-request-id"]
        assert found["error"]["type"] == found["type"]
        return str(found["error"]["message"])


class AnthropicFace(Face):
    """Requests for messages in the call, results as lines."""

    batches = "/v1/messages/batches"
    words = "in_progress in_progress in_progress in_progress canceling ended ended ended ended ended ended"

    def __init__(self, key: str | None) -> None:
        super().__init__(key)
        self.headers["anthropic-version"] = "2026-10-21"

    def document(self, custom_ids: Sequence[str], *, failing: Sequence[str]) -> dict[str, Any]:
        return {
            "requests": [
                {"custom_id": name, "params": self.body_of(name, fails=name in failing) | {"max_tokens": 9}}
                for name in custom_ids
            ]
        }

    def listed(self, *, limit: int, after: str | None = None) -> tuple[list[str], str | None]:
        answer = self.get(f"{self.path()}?limit={limit}" + (f"&after_id={after}" if after else ""))
        assert answer.status == 200, answer.content
        return [batch["id"] for batch in answer.json["data"]], answer.json["last_id"] if answer.json["has_more"] else None

    def ended(self, batch_id: str) -> bool:
        return bool(self.shown(batch_id)["processing_status"] == "ended")

    def counts(self, batch_id: str) -> tuple[int, int]:
        counts = self.shown(batch_id)["request_counts"]
        return counts["succeeded"], counts["errored"] + counts["canceled"] + counts["expired"]

    def outcomes(self, batch_id: str) -> dict[str, bool]:
        lines = [json.loads(line) for line in self.get(self.path(batch_id, "results")).content.splitlines()]
        return {line["custom_id"]: line["result"]["type"] == "succeeded" for line in lines}

    def problem(self, answer: Answer) -> str:
        assert set(answer.json) == {"type", "error", "request_id"}
        assert answer.json["type"] == "error"
        assert answer.json["error"]["type"]
        return str(answer.json["error"]["message"])


class MergeFace(Face):
    """Records to be written, on behalf of a linked account."""

    batches = "/api/accounting/v1/invoices/bulk"
    words = (
        "ENQUEUED IN_PROGRESS RATE_LIMITED IN_PROGRESS IN_PROGRESS SUCCESS PARTIAL_SUCCESS FAILED FAILED PARTIAL_SUCCESS FAILED"
    )
    known_by = "batch_id"
    lists = False
    cancels = False

    def __init__(self, key: str | None) -> None:
        super().__init__(key)
        self.headers["X-Account-Token"] = "simulator"

    def document(self, custom_ids: Sequence[str], *, failing: Sequence[str]) -> dict[str, Any]:
        return {"batch_items": [{"item_id": name, "payload": self.body_of(name, fails=name in failing)} for name in custom_ids]}

    def ended(self, batch_id: str) -> bool:
        return self.shown(batch_id)["status"] in ("SUCCESS", "PARTIAL_SUCCESS", "FAILED")

    def counts(self, batch_id: str) -> tuple[int, int]:
        statuses = [item["status"] for item in self.shown(batch_id)["objects"]]
        return statuses.count("SUCCESS"), statuses.count("FAILURE")

    def outcomes(self, batch_id: str) -> dict[str, bool]:
        items = self.shown(batch_id)["objects"]
        return {item["item_id"]: item["status"] == "SUCCESS" for item in items if item["status"] != "PENDING"}

    def problem(self, answer: Answer) -> str:
        if answer.status != 400:
            assert set(answer.json) == {"detail"}
            return str(answer.json["detail"])
        assert set(answer.json) == {"errors", "warnings"}
        return str(answer.json["errors"][0]["detail"])


FACES: Mapping[str, type[Face]] = {
    "openai": OpenAIFace,
    "novita": NovitaFace,
    "bifrost": BifrostFace,
    "anthropic": AnthropicFace,
    "merge": MergeFace,
}


def _is_success(item: Mapping[str, Any]) -> bool:
    if "result" in item:
        return bool(item["result"]["type"] == "succeeded")
    return "response" in item and item["response"]["status_code"] < 300
