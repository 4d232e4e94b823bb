"""Client certificates with any names, signed by an authority of the test's."""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import grpc
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate and its key, PEM."""

    cert: bytes
    key: bytes

    def credentials(self, root: bytes | None) -> grpc.ChannelCredentials:
        """Of a client that shows it, to servers of this root."""
        return grpc.ssl_channel_credentials(root, self.key, self.cert)

    def written(self, folder: Path, name: str = "client") -> tuple[Path, Path]:
        """The two as files."""
        cert, key = folder / f"{name}.pem", folder / f"{name}.key"
        cert.write_bytes(self.cert)
        key.write_bytes(self.key)
        return cert, key


def issued_to(
    authority: trustme.CA, *, uris: Sequence[str] = (), hosts: Sequence[str] = (), commons: Sequence[str] = ()
) -> Issued:
    """A fresh certificate with these names."""
    signer = serialization.load_pem_private_key(authority.private_key_pem.bytes(), None)
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.UTC)
    names = [*map(x509.UniformResourceIdentifier, uris), *map(x509.DNSName, hosts)]
    made = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, one) for one in commons]))
        .issuer_name(x509.load_pem_x509_certificate(authority.cert_pem.bytes()).subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
    )
    if names:
        made = made.add_extension(x509.SubjectAlternativeName(names), critical=False)
    pem = serialization.Encoding.PEM
    kind, secret = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return Issued(made.sign(signer, hashes.SHA256()).public_bytes(pem), key.private_bytes(pem, kind, secret))
