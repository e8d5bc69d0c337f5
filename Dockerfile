# syntax=docker/dockerfile:1
# Two stages: the first installs the dependencies from the lock, with hashes; the second has Python, the program and
# nothing to build with.
# Runs as a user without a name, on a read-only root: only the volume is written to.

FROM docker.io/library/python:3.13-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 UV_PYTHON_DOWNLOADS=never UV_LINK_MODE=copy UV_COMPILE_BYTECODE=1
WORKDIR /src
RUN python3 -m venv /uv && /uv/bin/pip install uv==0.13.9
COPY pyproject.toml uv.lock README.md LICENSE ./
RUN UV_PROJECT_ENVIRONMENT=/app /uv/bin/uv sync --frozen --no-dev --no-install-project --python python3
COPY watcher ./watcher
RUN UV_PROJECT_ENVIRONMENT=/app /uv/bin/uv sync --frozen --no-dev --no-editable --python python3

FROM docker.io/library/python:3.13-slim-bookworm
LABEL org.opencontainers.image.title="connect-watcher" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /app /app
RUN install -d -m 0700 -o 65532 -g 65532 /var/lib/connect-watcher
ENV PATH=/app/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 CONNECT_WATCHER_CONFIG=/etc/connect-watcher/config.toml
USER 65532:65532
VOLUME /var/lib/connect-watcher
WORKDIR /var/lib/connect-watcher
EXPOSE 8080
STOPSIGNAL SIGTERM
ENTRYPOINT ["connect-watcher"]
CMD ["run"]
