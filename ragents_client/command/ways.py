"""The way to a server, below gRPC: addresses, connections, TLS."""

import socket
import ssl
import time

from ragents_client.channel import is_loopback
from ragents_client.command.patient import SECONDS, Finding, Findings, Patient, milliseconds
from ragents_client.tls import Files

DAYS = 14.0  # that a certificate should last at least


def reachability(patient: Patient) -> Findings:
    """Names have addresses, and something listens there."""
    for host, port in patient.places:
        try:
            found = sorted({str(where[0]) for *_, where in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)})
        except OSError as error:
            said = f"{host} has no address: {error.strerror}"
            yield Finding("address", "fail", said, "Correct --server, or the name in your DNS.")
            continue
        yield Finding("address", "ok", f"{host} is {', '.join(found)}")
        for one in found:
            yield _connected(one, port)


def _connected(host: str, port: int) -> Finding:
    began = time.monotonic()
    try:
        with socket.create_connection((host, port), timeout=SECONDS):
            return Finding("connection", "ok", f"{host} port {port} answers in {milliseconds(began)}")
    except OSError as error:
        advice = "Start the server, open the port in firewalls and network policies, or correct --server."
        said = f"{host} port {port}: {error.strerror or 'no answer in time'}"
        return Finding("connection", "fail", said, advice)


def encryption(patient: Patient) -> Findings:
    """Whether both sides speak TLS or both do not, and how long the certificate lasts."""
    for host, port in patient.places:
        if patient.endpoint.credentials is not None:
            yield from _certified(host, port, patient.files)
        elif _speaks_tls(host, port):
            yield Finding("tls", "fail", f"{host} speaks TLS, and it is asked in plaintext", "Add --tls, or --ca FILE.")
        elif is_loopback(patient.endpoint.address):
            yield Finding("tls", "ok", "plaintext, and nothing leaves this machine")
        else:
            advice = "Give the server a certificate (RAGENTS_TLS_CERT), or let a mesh encrypt the way."
            yield Finding("tls", "warn", f"plaintext to {host}: questions and tokens can be read on the way", advice)


def _certified(host: str, port: int, files: Files) -> Findings:
    context = ssl.create_default_context(cafile=None if files.ca is None else str(files.ca))
    context.set_alpn_protocols(["h2"])
    if files.certificate is not None and files.key is not None:
        context.load_cert_chain(files.certificate, files.key)
    try:
        with (
            socket.create_connection((host, port), timeout=SECONDS) as plain,
            context.wrap_socket(plain, server_hostname=host) as secure,
        ):
            found, protocol = secure.getpeercert() or {}, secure.selected_alpn_protocol()
    except ssl.SSLCertVerificationError as error:
        advice = "Name its authority with --ca, and ask for it by a name that is in the certificate."
        yield Finding("tls", "fail", f"the certificate of {host} will not do: {error.verify_message}", advice)
        return
    except (ssl.SSLError, OSError) as error:
        said = getattr(error, "reason", None) or error.strerror or "it breaks off"
        yield Finding("tls", "fail", f"no TLS with {host}: {said}", "Leave --tls away, or show a certificate (--cert).")
        return
    if protocol != "h2":
        yield Finding("tls", "warn", f"{host} does not offer HTTP/2", "Let the proxy in front speak h2 (ALPN).")
    yield _lasting(host, str(found.get("notAfter", "")))


def _lasting(host: str, until: str) -> Finding:
    if not until:
        return Finding("tls", "ok", f"TLS with {host}")
    days = (ssl.cert_time_to_seconds(until) - time.time()) / 86_400
    if days < DAYS:
        return Finding("tls", "warn", f"the certificate of {host} ends in {days:.0f} days", "Renew it.")
    return Finding("tls", "ok", f"TLS with {host}, its certificate lasts {days:.0f} days")


def _speaks_tls(host: str, port: int) -> bool:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with (
            socket.create_connection((host, port), timeout=SECONDS) as plain,
            context.wrap_socket(plain, server_hostname=host),
        ):
            return True
    except ssl.SSLError as error:
        return "CERTIFICATE_REQUIRED" in (error.reason or "")
    except OSError:
        return False
