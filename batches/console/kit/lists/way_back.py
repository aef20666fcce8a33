"""The way back to a list: pages below a list keep the list's query in their own address, so that nothing is lost on the way."""

from urllib.parse import urlencode

from django.http import HttpRequest, QueryDict

LIST = "list"  # the parameter with the query of the list of batches that led here
_OF_THE_VIEW = ("fragment", "validation", "round", "full")  # parameters of one page alone
_QUERY_CHARS = 4000  # of a list's query; a longer one is not carried along


def list_query(request: HttpRequest) -> str:
    """The query of the list of batches that led to this page, with its question mark; empty if none is known."""
    query = request.GET.get(LIST, "")
    return f"?{query}" if query and len(query) <= _QUERY_CHARS else ""


def kept(request: HttpRequest) -> str:
    """The same as a further parameter, for links from this page to itself and to pages beside it."""
    query = list_query(request)
    return f"&{urlencode({LIST: query[1:]})}" if query else ""


def led_from_list(request: HttpRequest) -> str:
    """The query of a link from the list of batches to one batch."""
    query = request.GET.copy()
    query.pop("fragment", None)
    encoded = query.urlencode()
    return f"?{urlencode({LIST: encoded})}" if encoded and len(encoded) <= _QUERY_CHARS else ""


def around(request: HttpRequest) -> str:
    """The filter of a batch's requests and the place in their list, as a query for links between the batch and its requests."""
    query: QueryDict = request.GET.copy()
    for name in _OF_THE_VIEW:
        query.pop(name, None)
    for name in list(query):
        query.setlist(name, [value for value in query.getlist(name) if value])
    encoded = query.urlencode()
    return f"?{encoded}" if encoded else ""
