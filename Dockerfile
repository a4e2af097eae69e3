# The image holds a virtual environment and nothing to build one with: the locked dependencies first (a layer that changes
# seldom), then the project's own wheel. It runs as an ordinary user and writes to no file.
FROM python:3.12.11-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
RUN python -m venv --without-pip /opt/ledger-exporter
COPY requirements.txt requirements-build.txt ./
RUN pip install --require-hashes -r requirements-build.txt \
 && pip --python /opt/ledger-exporter/bin/python install --require-hashes -r requirements.txt
COPY pyproject.toml README.md LICENSE ./
COPY exporter exporter
RUN pip wheel --no-deps --no-build-isolation --wheel-dir /wheel . \
 && pip --python /opt/ledger-exporter/bin/python install --no-deps /wheel/*.whl

FROM python:3.12.11-slim-bookworm
LABEL org.opencontainers.image.title="ledger-exporter" \
      org.opencontainers.image.description="Prometheus metrics for the cost, impact and budget ledgers of an AI platform" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin ledger-exporter
COPY --from=build /opt/ledger-exporter /opt/ledger-exporter
ENV PATH=/opt/ledger-exporter/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 \
    LEDGER_EXPORTER_CONFIG_FILE=/etc/ledger-exporter/ledger-exporter.yml
USER 10001:10001
EXPOSE 9851
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
  CMD ["python", "-m", "exporter.web.healthy"]
ENTRYPOINT ["ledger-exporter"]
