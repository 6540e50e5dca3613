"""Whose signature is it? A private key, and a certificate that says whom it belongs to.

A signature is worth what its certificate is worth. Ours is made on your machine and vouches for itself, so it proves
one thing: that nobody without this key has changed the file since. Anybody can make another one with the same name
in it. To prove who you are takes a certificate from an authority that readers trust, and such a key belongs into
hardware, not into a file.
"""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from course_lib.data.atlas import cache

YEARS = 10
FILE = "identity.pem"


class Identity(NamedTuple):
    """Who signs: a private key and its certificate, both PEM."""

    key: bytes
    certificate: bytes


def kept_identity(folder: Path | None = None) -> Identity:
    """Your key and certificate, made at the first call and kept where only you may read them.

    Parameters
    ----------
    folder : path, optional
        The course's cache if not given.

    Raises
    ------
    ValueError
        If what lies there is no key with its certificate.
    """
    path = (folder or cache()) / FILE
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_private(path, b"".join(new_identity()))
    key, mark, certificate = path.read_bytes().partition(b"-----BEGIN CERTIFICATE-----")
    if b"PRIVATE KEY" not in key or not mark:
        raise ValueError(f"{path} holds no private key and certificate: delete it, and new ones are made")
    return Identity(key, mark + certificate)


def _write_private(path: Path, content: bytes) -> None:
    # with its rights from the first moment: to restrict a file that was open for a moment is too late
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)


def new_identity(name: str = "course_lib, self-signed") -> Identity:
    """A fresh key on the curve P-256 and a certificate that it signs itself, valid for ten years."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    me = x509.Name([x509.NameAttribute(kind, name) for kind in (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME)])
    builder = (
        x509.CertificateBuilder(me, me, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=365 * YEARS))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(True, *[False] * 8), critical=True)  # to sign with, and nothing else
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return Identity(private, builder.sign(key, hashes.SHA256()).public_bytes(pem))
