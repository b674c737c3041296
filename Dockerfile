# Kura in a container: compiled in the first stage, run without a compiler and without root in the second.
#
#   docker build -t kura .
#   docker build -t kura --build-arg PIP_INDEX_URL=https://packages.company.example/simple .
#   docker run -p 127.0.0.1:8642:8642 -v kura-data:/data -v ./docs:/docs:ro kura
ARG PYTHON=python:3.12-slim-bookworm

FROM ${PYTHON} AS build
# A company's package mirror, as pip and apt know it.
ARG PIP_INDEX_URL=
ARG PIP_TRUSTED_HOST=
ARG APT_MIRROR=
# The image may run on another processor than the one that builds it: AVX2 (2013 and later) and nothing newer.
# On Arm, or for the machine at hand: --build-arg CMAKE_ARGS="-DGGML_NATIVE=ON".
ARG CMAKE_ARGS="-DGGML_NATIVE=OFF -DGGML_AVX2=ON -DGGML_FMA=ON -DGGML_F16C=ON"
ENV CMAKE_ARGS=${CMAKE_ARGS} PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN if [ -n "$APT_MIRROR" ]; then sed -i "s|http://deb.debian.org/debian|$APT_MIRROR|g" /etc/apt/sources.list.d/*; fi \
    && apt-get update && apt-get install -y --no-install-recommends build-essential && rm -rf /var/lib/apt/lists/*
RUN python -m venv /opt/kura
ENV PATH=/opt/kura/bin:$PATH
COPY deploy/requirements-build.txt deploy/requirements.txt /src/deploy/
# An empty PIP_INDEX_URL would mean "no index": unset it then.
RUN [ -n "$PIP_INDEX_URL" ] || unset PIP_INDEX_URL; [ -n "$PIP_TRUSTED_HOST" ] || unset PIP_TRUSTED_HOST; \
    pip install --require-hashes -r /src/deploy/requirements-build.txt \
    && pip install --require-hashes --no-build-isolation -r /src/deploy/requirements.txt
COPY pyproject.toml README.md /src/
COPY models /src/models
COPY retrieval /src/retrieval
COPY ingest /src/ingest
COPY bot /src/bot
RUN pip install --no-deps --no-build-isolation /src

FROM ${PYTHON}
RUN apt-get update && apt-get install -y --no-install-recommends libgomp1 git openssh-client ca-certificates && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --home-dir /data --shell /usr/sbin/nologin kura \
    && install -d -o kura -g kura -m 0700 /data
COPY --from=build /opt/kura /opt/kura
ENV PATH=/opt/kura/bin:$PATH KURA_DATA_DIR=/data KURA_SERVER_HOST=0.0.0.0
USER kura
WORKDIR /data
VOLUME /data
EXPOSE 8642
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8642/healthz', timeout=4)"]
CMD ["kura", "serve"]
