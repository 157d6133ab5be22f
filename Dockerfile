# Two images from one file:
#     docker build --target web .       the web server; no torch in it
#     docker build --target worker .    the worker, with the processor build of torch

# By digest, so that a build today and one in a year start from the same files; .github/dependabot.yml renews it.
ARG PYTHON_IMAGE=python:3.11-slim@sha256:9c900dea9e8fb7e16277c179b555cc72d29a352dbc33cff48ad5a0412fd5bfc7

FROM ${PYTHON_IMAGE} AS wheel
WORKDIR /source
COPY locks/run.txt locks/
RUN pip install --no-cache-dir --require-hashes --requirement locks/run.txt
COPY . .
RUN pip wheel --no-deps --no-build-isolation --wheel-dir /wheel .

FROM ${PYTHON_IMAGE} AS base
ENV PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_ROOT_USER_ACTION=ignore
# The volume belongs to the user that all containers run as; a new named volume takes its owner from the image.
RUN useradd --uid 10001 --create-home charloom \
    && install --directory --owner=charloom --group=charloom /data
WORKDIR /home/charloom
ENV CHARLOOM_DATA_DIR=/data
VOLUME /data

FROM base AS web
COPY locks/web.txt /tmp/
RUN pip install --require-hashes --requirement /tmp/web.txt
COPY --from=wheel /wheel /tmp/wheel
RUN pip install --no-deps /tmp/wheel/*.whl
USER charloom
# Inside its network namespace loopback is the container itself. Who may reach it is decided where the port is published.
ENV CHARLOOM_HOST=0.0.0.0
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
CMD ["gunicorn", "--config", "python:web.gunicorn_conf", "web:create_app()"]

FROM base AS worker
COPY requirements.txt locks/run.txt /tmp/
# torch first and by itself: the largest layer, which changes least. PyTorch's index has the build without CUDA.
RUN pip install --no-deps --index-url https://download.pytorch.org/whl/cpu "$(grep '^torch==' /tmp/requirements.txt)" \
    && pip install --require-hashes --requirement /tmp/run.txt
COPY --from=wheel /wheel /tmp/wheel
RUN pip install --no-deps /tmp/wheel/*.whl
# The layer that training takes most of its time in, compiled into the package; the compiler isn't kept.
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends gcc libc6-dev \
    && python -m worker.nn.kernel all && ls "$(python -c 'import worker.nn.kernel; print(*worker.nn.kernel.__path__)')"/*.so \
    && apt-get purge -y -qq --auto-remove gcc libc6-dev && rm -rf /var/lib/apt/lists/*
USER charloom
# Healthy while Redis has a recent heartbeat of a worker on this host: each container is its own host.
HEALTHCHECK --interval=15s --timeout=10s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import platform, sys; from shared.settings import load; from shared.store import Store; sys.exit(platform.node() not in {seen.host for seen in Store.of(load()).workers.seen()})"]
CMD ["celery", "-A", "worker", "worker"]
