"""TLS contexts for upstreams that have a CA of their own, or ask for a client certificate."""

import ssl
import tempfile
from pathlib import Path

from providers.base import CredentialUnavailable
from providers.transport.way import PEM, Way


def tls_of(way: Way) -> ssl.SSLContext:
    """The TLS context for a way's certificates.

    Raises CredentialUnavailable if a certificate or key cannot be read; the message does not quote it.
    """
    context = _trusting(way)
    context.set_alpn_protocols(["http/1.1"])
    if way.certificate:
        assert isinstance(way.key, str)
        _show(context, certificate=way.certificate, key=way.key)
    return context


def _trusting(way: Way) -> ssl.SSLContext:
    if not way.ca:
        return ssl.create_default_context()
    try:
        if PEM in way.ca:
            return ssl.create_default_context(cadata=way.ca)
        if Path(way.ca).is_dir():
            return ssl.create_default_context(capath=way.ca)
        return ssl.create_default_context(cafile=way.ca)
    except (OSError, ValueError) as error:  # also ssl.SSLError
        raise CredentialUnavailable(f"The CA ({way.ca_from}) cannot be read here: {_reason(error)}.") from None


def _show(context: ssl.SSLContext, *, certificate: str, key: str) -> None:
    """Load a client certificate. The standard library reads only files, so PEM is written to a private temporary file."""
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for name, text in (("certificate", certificate), ("key", key)):
            if PEM in text:
                path = Path(folder) / name
                path.touch(mode=0o600)
                path.write_text(text)
                paths.append(str(path))
            else:
                paths.append(text)
        try:
            # The password is empty and not None: with None, OpenSSL would ask at the terminal for an encrypted key's password.
            context.load_cert_chain(paths[0], paths[1] or None, password="")
        except (OSError, ValueError) as error:
            raise CredentialUnavailable(f"The client certificate and its key cannot be read here: {_reason(error)}.") from None


def _reason(error: Exception) -> str:
    match error:
        case ssl.SSLError():
            return error.reason or "they are not what they should be"
        case OSError():
            return error.strerror or type(error).__name__
        case _:
            return type(error).__name__
