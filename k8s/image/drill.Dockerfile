# The drill (../drill): the server with all that its tests start, PostgreSQL, a Redis and a model among it.
#   docker build -f k8s/image/drill.Dockerfile -t ragents-drill:0.1.0 .
ARG BASE=docker.io/library/python:3.12-slim-bookworm

FROM ${BASE} AS build
WORKDIR /src
COPY locks/dev.txt locks/
RUN ["python3", "-m", "venv", "/opt/ragents"]
RUN ["/opt/ragents/bin/python", "-m", "pip", "install", "--no-cache-dir", "--disable-pip-version-check", \
     "--require-hashes", "-r", "locks/dev.txt"]
COPY pyproject.toml README.md CHANGELOG.md LICENSE ./
COPY ragents_client ragents_client
COPY ragents_server ragents_server
RUN ["/opt/ragents/bin/python", "-m", "pip", "install", "--no-cache-dir", "--disable-pip-version-check", "--no-deps", \
     "--no-build-isolation", "--no-index", "."]
COPY scripts scripts
COPY tests tests
RUN ["python3", "-m", "compileall", "-q", "-j", "0", "/opt/ragents/lib", "scripts", "tests"]

FROM ${BASE}
# PostgreSQL wants the user that starts it to have a name.
RUN ["useradd", "--uid", "65532", "--user-group", "--no-create-home", "--home-dir", "/tmp", "ragents"]
COPY --from=build /opt/ragents /opt/ragents
COPY --from=build /src/scripts /opt/drill/scripts
COPY --from=build /src/tests /opt/drill/tests
ENV PATH=/opt/ragents/bin:/usr/local/bin:/usr/bin:/bin \
    HOME=/tmp \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    GRPC_ENABLE_FORK_SUPPORT=0
WORKDIR /opt/drill
USER 65532:65532
ENTRYPOINT ["python", "-m", "scripts.faulting"]
CMD ["drill"]
