"""A form whose fields are checked by a service as well."""

from django import forms

from batches.rules.errors import InvalidRequest


class ServiceForm(forms.Form):
    """The base of forms that show what a service refuses."""

    def refuse(self, error: InvalidRequest) -> None:
        """Add an error of the service to its field."""
        self.add_error(error.param if error.param in self.fields else None, error.message)
