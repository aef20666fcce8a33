"""TLS to an upstream: a certificate that is trusted serves, and any other ends the call."""

import asyncio
import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from providers.transport import dial
from providers.transport.connections import Client
from providers.transport.interface import ConnectFailed
from tests.providers.transport.conftest import Run, post

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


def test_an_upstream_with_a_certificate_that_is_trusted(session: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate = self_signed(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    dial._tls.cache_clear()

    async def work(client: Client) -> None:
        async with TlsServer(certificate) as server:
            port = server.sockets[0].getsockname()[1]
            assert (await post(client, f"https://127.0.0.1:{port}/v1")).body == b"hi"

    session(work)
    dial._tls.cache_clear()


def test_an_upstream_with_a_certificate_that_is_not(session: Run, tmp_path: Path) -> None:
    certificate = self_signed(tmp_path)

    async def work(client: Client) -> None:
        async with TlsServer(certificate) as server:
            port = server.sockets[0].getsockname()[1]
            with pytest.raises(ConnectFailed, match="CERTIFICATE_VERIFY_FAILED"):
                await post(client, f"https://127.0.0.1:{port}/v1")

    session(work)


class TlsServer:
    """Answers whatever it is asked, behind TLS, on the test's own event loop."""

    def __init__(self, certificate: Path) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate)

    async def __aenter__(self) -> asyncio.Server:
        self._server = await asyncio.start_server(self._talk, "127.0.0.1", 0, ssl=self._context)
        return self._server

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n{}")
        writer.write(ANSWER)
        await writer.drain()
        await reader.read()
        writer.close()


def self_signed(folder: Path) -> Path:
    """A certificate of 127.0.0.1 with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "upstream")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(
            name, name, key.public_key(), x509.random_serial_number(), now - timedelta(hours=1), now + timedelta(days=1)
        )
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "upstream.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path
