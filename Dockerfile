# Two stages: the first installs what the lock names, each file by its hash; the second has Python, the program, and neither a
# shell nor anything to install with. Both have the same Python of the same Debian, so what is compiled in one runs in the other.
# Runs as a user without a name, on a read-only root: only the volume is written to.

FROM ghcr.io/astral-sh/uv:0.13.9 AS uv

FROM docker.io/library/debian:trixie-slim AS build
# Of this stage only /app is kept, and what is in it comes from the lock: Debian's newest are the right ones.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates python3 \
    && rm -rf /var/lib/apt/lists/*
COPY --from=uv /uv /usr/local/bin/uv
ENV UV_PYTHON=/usr/bin/python3 UV_PYTHON_DOWNLOADS=never UV_LINK_MODE=copy UV_NO_CACHE=1 UV_SYSTEM_CERTS=1
WORKDIR /src
COPY pyproject.toml uv.lock README.md LICENSE ./
# `speed` is 1 MB. For Apprise's destinations, which are 15 MB: --build-arg EXTRAS="--extra speed --extra apprise"
ARG EXTRAS="--extra speed"
# The options are words of their own.
# hadolint ignore=SC2086
RUN UV_PROJECT_ENVIRONMENT=/backend uv sync --frozen --only-group build \
    && UV_PROJECT_ENVIRONMENT=/app uv sync --frozen --no-dev --no-install-project ${EXTRAS}
COPY watcher ./watcher
RUN /backend/bin/hatchling build -t wheel -d /wheel \
    && uv pip install --python /app --offline --no-deps /wheel/*.whl \
    && uv pip check --python /app

FROM gcr.io/distroless/python3-debian13:nonroot
COPY --from=build /app /app
ENV PATH=/app/bin:/usr/bin \
    PYTHONUNBUFFERED=1 \
    CONNECT_WATCHER_CONFIG=/etc/connect-watcher/config.toml \
    CONNECT_WATCHER_URL=http://127.0.0.1:8080
# What the daemon and the probe import is compiled by importing it, the standard library's part too, which comes without:
# nothing can be compiled later, on a read-only root, and a start would take three times as long.
# hadolint ignore=DL3002
USER 0
RUN ["python3", "-c", "import os, urllib.request; from watcher.cli import main; state = '/var/lib/connect-watcher'; os.mkdir(state, 0o700); os.chown(state, 65532, 65532); main(['run', '--help'])"]
ENV PYTHONDONTWRITEBYTECODE=1
USER 65532:65532
VOLUME /var/lib/connect-watcher
# SQLite puts what it sorts here when there is no /tmp to write to.
WORKDIR /var/lib/connect-watcher
EXPOSE 8080 4318
STOPSIGNAL SIGTERM
# Where [web] listen is another port, CONNECT_WATCHER_URL says so, to this and to the verbs that ask the daemon.
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s --retries=3 \
    CMD ["/usr/bin/python3", "-I", "-S", "-c", "import os, urllib.request as u; u.build_opener(u.ProxyHandler({})).open(os.environ['CONNECT_WATCHER_URL'].rstrip('/') + '/-/healthy', timeout=8)"]
ENTRYPOINT ["connect-watcher"]
CMD ["run"]
# Last, as they differ from build to build: nothing above is built anew for them.
ARG VERSION=unreleased
ARG REVISION=unknown
LABEL org.opencontainers.image.title="connect-watcher" \
      org.opencontainers.image.description="Watches commercetools Connect deployments and tells people when something breaks." \
      org.opencontainers.image.source="https://github.com/connect-watcher/connect-watcher" \
      org.opencontainers.image.documentation="https://github.com/connect-watcher/connect-watcher/tree/main/docs" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
