"""What reaches Django from the web server."""

import pytest

from config.wsgi import readable


@pytest.mark.parametrize(
    "content_type", ["", "application/json", "text/plain; charset=latin-1", "multipart/form-data; boundary=x"]
)
def test_a_content_type_that_can_be_read_is_left_as_it_is(content_type: str) -> None:
    assert readable(content_type) == content_type


@pytest.mark.parametrize("parameters", ["charset=hex", "charset=none-such", "x*=foo''%20", "charset=\0"])
def test_parameters_that_cannot_be_read_are_left_out(parameters: str) -> None:
    assert readable(f"application/json; {parameters}") == "application/json"
