"""The image and the compose file agree with the server and the pod; each fact is seen to fail where it is broken."""

from pathlib import Path

import pytest

from scripts.manifests import image_facts
from scripts.manifests.building import K8S, Built, overlay, parsed, text_of

Break = tuple[str, str, str]  # the file, what stands in it, and what stands there instead
BREAKS: dict[str, Break] = {
    "Dockerfile is [('0', '0')]": ("DOCKERFILE", "USER 65532:65532", "USER 0:0"),
    "the image exposes ['50051']": ("DOCKERFILE", "EXPOSE 50051 50052 9464", "EXPOSE 50051"),
    "drill.Dockerfile is [('0', '0')]": ("DRILL", "USER 65532:65532", "USER 0:0"),
    "Last USER should not be root": ("DOCKERFILE", "USER 65532:65532", "USER root"),
    "Unevaluated properties are not allowed": ("COMPOSE", "stop_grace_period:", "stop_grace:"),
    "refuses its settings": ("COMPOSE", "RAGENTS_PROCESSES:", "RAGENTS_PROCESS:"),
    "the tests run Envoy": ("COMPOSE", "envoy:distroless-v1", "envoy:distroless-v0"),
    "which is not there": ("COMPOSE", "../envoy/envoy.yaml:", "../envoy/nothing.yaml:"),
    "which is not for production": ("LOCK", "\ngrpcio==", "\npytest=="),
}


@pytest.fixture(scope="module")
def builds() -> tuple[Built, Built]:
    return overlay("prod"), parsed("drill", text_of(K8S / "drill"))


def test_the_images_and_the_compose_file_fit(builds: tuple[Built, Built]) -> None:
    assert list(image_facts.complaints(*builds)) == []


@pytest.mark.parametrize(("complaint", "change"), BREAKS.items())
def test_what_does_not_fit_is_told(
    complaint: str, change: Break, builds: tuple[Built, Built], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, before, after = change
    shipped: Path = getattr(image_facts, name)
    text = shipped.read_text()
    assert before in text
    # Beside the shipped one, as compose's paths begin there.
    broken = shipped.with_name(f"broken-{tmp_path.name}-{shipped.name}")
    broken.write_text(text.replace(before, after))
    monkeypatch.setattr(image_facts, name, broken)
    try:
        found = "\n".join(image_facts.complaints(*builds))
    finally:
        broken.unlink()
    assert complaint in found
