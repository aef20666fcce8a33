"""Form fields of the admin that choose a row of another table."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.admin.widgets import AutocompleteSelect
from django.core.exceptions import ValidationError
from django.db.models import ForeignKey
from django.http import HttpRequest

if TYPE_CHECKING:
    _BaseAdmin = admin.options.BaseModelAdmin[Any]
else:
    _BaseAdmin = object


class FoundRow(AutocompleteSelect):
    """A widget that looks a row up. A text that cannot be a key counts as no choice; Django's own widget fails on it."""

    def build_attrs(self, base_attrs: dict[str, Any], extra_attrs: dict[str, Any] | None = None) -> dict[str, Any]:
        """The attributes, with words in the place of no choice: they are all that a reader of the page can hear of it."""
        attrs = super().build_attrs(base_attrs, extra_attrs)
        attrs["data-placeholder"] = f"Choose: {self.field.verbose_name}"
        return attrs

    def optgroups(self, name: str, value: Sequence[str], attr: dict[str, Any] | None = None) -> Any:
        return super().optgroups(name, [key for key in value if self._is_key(key)], attr)

    def _is_key(self, text: str) -> bool:
        key = self.field.target_field
        try:
            key.run_validators(key.to_python(text))
        except ValidationError:
            return False
        return True


class LooksUpRows(_BaseAdmin):
    """Forms whose `autocomplete_fields` are looked up with `FoundRow`."""

    def formfield_for_foreignkey(self, db_field: "ForeignKey[Any, Any]", request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name in self.get_autocomplete_fields(request):
            kwargs.setdefault("widget", FoundRow(db_field, self.admin_site))
        return super().formfield_for_foreignkey(db_field, request, **kwargs)
