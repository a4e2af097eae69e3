"""TLS contexts: made of the web configuration and the certificates it names, made anew when one of them changes."""

from __future__ import annotations

import contextlib
import os
import ssl
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from exporter.web.config import CIPHER_SUITES, CURVES, TlsConfig
from exporter.yaml_file import Place

_VERSIONS = {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}
_DEFAULT_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
_VERIFICATION = {
    "NoClientCert": ssl.CERT_NONE,
    "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
}
_SECTION = "tls_server_config"


class TlsError(Exception):
    """Something that TLS needs cannot be used. `place` is the key in the web configuration that names it."""

    def __init__(self, key: str, problem: str) -> None:
        self.place: Place = (_SECTION, key)
        super().__init__(problem)


_Pems = tuple[bytes, bytes, bytes]
"""What stands in the files: certificate, key and client authorities."""


class TlsContexts:
    """Holds the context for new connections."""

    def __init__(self, folder: Path) -> None:
        """Relative names of files begin in `folder`."""
        self._folder = folder
        self._made_of: tuple[TlsConfig, _Pems] | None = None
        self._context: ssl.SSLContext | None = None

    def context(self, config: TlsConfig) -> ssl.SSLContext:
        """Return the context for a connection made now; files are read each time, the context is made when they differ.

        Raises:
            TlsError: a file cannot be read or used.
        """
        made_of = config, self._read(config)
        if self._context is None or self._made_of != made_of:
            self._context = _make(*made_of)
            self._made_of = made_of
        return self._context

    def _read(self, config: TlsConfig) -> _Pems:
        key = config.key.get_secret_value() if config.key else None
        return (
            self._pem("cert_file", config.cert, config.cert_file),
            self._pem("key_file", key, config.key_file),
            self._pem("client_ca_file", config.client_ca, config.client_ca_file),
        )

    def _pem(self, name: str, text: str | None, file: Path | None) -> bytes:
        if file is None:
            return (text or "").encode()
        try:
            return (self._folder / file).read_bytes()
        except OSError as error:
            # Without the name: it might be the key itself, in the wrong place.
            raise TlsError(name, f"cannot be read: {error.strerror}") from None


def _make(config: TlsConfig, pems: _Pems) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = _VERSIONS[config.min_version]
    context.maximum_version = _VERSIONS[config.max_version]
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_TICKET
    context.num_tickets = 0  # no session is resumed: every connection proves anew who it is
    if config.prefer_server_cipher_suites:
        context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE
    else:
        context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    suites = [CIPHER_SUITES[name] for name in config.cipher_suites if name in CIPHER_SUITES]
    context.set_ciphers(":".join(suites) or _DEFAULT_CIPHERS)
    if config.cipher_suites and not suites:
        context.minimum_version = ssl.TLSVersion.TLSv1_3
    for curve in config.curve_preferences:
        try:
            context.set_ecdh_curve(CURVES[curve])
        except (ValueError, ssl.SSLError):
            # Some builds take X25519 for a name they do not know, though they use it first when nothing is said.
            raise TlsError("curve_preferences", f"{curve} cannot be chosen with {ssl.OPENSSL_VERSION}") from None
    context.set_alpn_protocols(["http/1.1"])
    cert, key, client_ca = pems
    _load_certificate(context, cert, key)
    if config.client_auth_type != "NoClientCert":
        _load_authorities(context, client_ca)
    context.verify_mode = _VERIFICATION[config.client_auth_type]
    return context


def _load_certificate(context: ssl.SSLContext, cert: bytes, key: bytes) -> None:
    def no_password() -> str:
        raise TlsError("key_file", "is encrypted; the key must be readable without a password")

    with _file(cert) as cert_file, _file(key) as key_file:
        try:
            context.load_cert_chain(cert_file, key_file, no_password)
        except ssl.SSLError as error:
            if error.reason == "KEY_VALUES_MISMATCH":
                raise TlsError("key_file", "is not the key of the certificate") from None
            reason = (error.reason or "unreadable").replace("_", " ").lower()
            raise TlsError("cert_file", f"or the key is not valid PEM, or not strong enough ({reason})") from None


def _load_authorities(context: ssl.SSLContext, client_ca: bytes) -> None:
    try:
        context.load_verify_locations(cadata=client_ca.decode("ascii", "replace"))
    except (ssl.SSLError, ValueError):
        raise TlsError("client_ca_file", "holds no certificates in PEM") from None
    # An intermediate authority may be listed without its root.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN


@contextlib.contextmanager
def _file(content: bytes) -> Iterator[str]:
    """Give content a name for OpenSSL, which reads files only: in memory where that exists, else for a moment on disk."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("pem")
        with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor has no path
            file.write(content)
            file.flush()
            yield f"/proc/self/fd/{descriptor}"
    else:
        with tempfile.NamedTemporaryFile() as file:
            file.write(content)
            file.flush()
            yield file.name


def objection(connection: ssl.SSLObject, allowed_sans: tuple[str, ...] | None) -> str | None:
    """Return why a client whose certificate has been verified is not admitted, or None.

    Its certificate may have expired since, if the TLS session is an old one, or not name one of those allowed.
    """
    certificate = connection.getpeercert() or {}
    expiry = certificate.get("notAfter")
    if isinstance(expiry, str) and ssl.cert_time_to_seconds(expiry) < time.time():
        return "client certificate: has expired"
    if allowed_sans is None or _names(certificate) & {*allowed_sans}:
        return None
    return "client certificate: has no allowed subject alternative name"


def _names(certificate: object) -> set[str]:
    entries = certificate.get("subjectAltName", ()) if isinstance(certificate, dict) else ()
    return {value for kind, value in entries if kind in {"DNS", "email", "IP Address", "URI"}}
