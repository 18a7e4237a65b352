# The service: wattledger serve (the default), or any other of its commands.
#   docker build --tag wattledger:local .

# The tag gets Debian's and Python's security fixes with each build; what Wattledger itself needs is locked by hash.
FROM python:3.13-slim-bookworm AS build

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
# without pip, which the running service has no use for
RUN python -m venv --without-pip /opt/wattledger

# before the sources, so that a change of these does not fetch everything again
COPY requirements.lock /src/
RUN pip --python /opt/wattledger/bin/python install \
    --require-hashes --only-binary :all: --requirement /src/requirements.lock

COPY pyproject.toml README.md LICENSE /src/
COPY migrations /src/migrations
COPY sql /src/sql
COPY service /src/service
RUN pip wheel --no-deps --wheel-dir /wheels /src \
    && pip --python /opt/wattledger/bin/python install --no-deps --no-index /wheels/wattledger-*.whl


FROM python:3.13-slim-bookworm

ARG VERSION=unreleased
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Wattledger" \
    org.opencontainers.image.description="A ledger of charging energy, on TimescaleDB" \
    org.opencontainers.image.licenses="Apache-2.0" \
    org.opencontainers.image.version="${VERSION}" \
    org.opencontainers.image.revision="${REVISION}"

# LOGNAME: yoyo records who migrates, and this user has no entry in /etc/passwd to be looked up in
ENV PATH=/opt/wattledger/bin:$PATH \
    LOGNAME=wattledger \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1

COPY --from=build /opt/wattledger /opt/wattledger

# by number, so that Kubernetes can tell that it is not root; it owns no file and needs to write none
USER 10001:10001
WORKDIR /tmp
EXPOSE 3000
STOPSIGNAL SIGTERM

# liveness alone: a database that is away is not cured by a restart of the service
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:3000/health/live', timeout=4)"]

ENTRYPOINT ["wattledger"]
CMD ["serve", "--host", "0.0.0.0"]
