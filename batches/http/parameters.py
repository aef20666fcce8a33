"""Parameters of a query string: no parameter is silently ignored. An unknown or a repeated one is refused by its name."""

from collections.abc import Collection

from django.http import QueryDict

from batches.http.errors import InvalidValue, UnknownParameter

NAME_CHARS = 100  # the most characters of a parameter's name that an error repeats


def allow_parameters(query: QueryDict, *names: str, several: Collection[str] = ()) -> None:
    """Raise InvalidRequest if the query string has any other parameter, or one of `names` twice."""
    for name, values in query.lists():
        if name in several:
            continue
        if name in names and len(values) > 1:
            raise InvalidValue(f"Invalid value for {name!r}: it is given more than once.", param=name)
        if name not in names:
            raise UnknownParameter(f"There is no parameter {name[:NAME_CHARS]!r} here.", param=name[:NAME_CHARS])
