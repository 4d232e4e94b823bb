"""Loads e-mail: who wrote what to whom, and the names of what was attached."""

from email import policy
from email.errors import MessageError
from email.message import EmailMessage, MIMEPart
from email.parser import BytesParser

from ragents_server.ingest.decoding import clean, decode
from ragents_server.ingest.failures import DocumentError
from ragents_server.ingest.loaded import Composer, Loaded
from ragents_server.ingest.loaders_html import composed

_HEADERS = ("From", "To", "Cc", "Date")


def mail(content: bytes, media_type: str) -> Loaded:
    """The subject as heading, the chief headers, the body (its plain form if there is one), attachments by name."""
    composer = Composer()
    try:
        message = BytesParser(policy=policy.default).parsebytes(content)
        _compose(message, composer)
    except (MessageError, LookupError, ValueError, AttributeError, RecursionError) as error:
        raise DocumentError("DOCUMENT_CORRUPT", "The e-mail's structure is broken; export it again.") from error
    return composer.loaded(media_type)


def _compose(message: EmailMessage, composer: Composer) -> None:
    composer.add(_header(message, "Subject"), "heading", level=1)
    for name in _HEADERS:
        value = _header(message, name)
        if value:
            composer.add(f"{name}: {value}", "row")
    body = message.get_body(("plain", "html"))
    if body is not None:
        _add_body(body, composer)
    names = [clean(part.get_filename("")) for part in message.iter_attachments()]
    composer.add("Attachments: " + "; ".join(filter(None, names)) if any(names) else "", "row")


def _header(message: EmailMessage, name: str) -> str:
    return " ".join(clean(str(message.get(name, ""))).split())


def _add_body(body: MIMEPart, composer: Composer) -> None:
    data = body.get_payload(decode=True)
    text = decode(data if isinstance(data, bytes) else b"", body.get_content_charset(""))
    if body.get_content_type() == "text/html":
        composed(text, composer)
    else:
        composer.add(text)
