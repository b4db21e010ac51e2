# One image for all processes of the service; docker-compose.yml starts them.

FROM python:3.11.14-slim-bookworm AS build
RUN python -m venv /opt/normserve
ENV PATH=/opt/normserve/bin:$PATH PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /source
COPY constraints.txt ./
# From the ordinary index torch comes with gigabytes of CUDA.
RUN pip install --constraint constraints.txt --no-deps --index-url https://download.pytorch.org/whl/cpu torch torchvision
COPY pyproject.toml README.md ./
COPY analysis ./analysis
COPY migrations ./migrations
COPY models ./models
COPY service ./service
RUN pip install --constraint constraints.txt .

FROM python:3.11.14-slim-bookworm
# PostgreSQL's clients are for `normserve backup` and `restore`.
RUN apt-get update && apt-get install --yes --no-install-recommends postgresql-client-15 && rm -rf /var/lib/apt/lists/*
COPY --from=build /opt/normserve /opt/normserve
# A new volume gets the owner of the folder that it is mounted on.
RUN install --directory --owner=10001 --group=10001 /data /certificates
ENV PATH=/opt/normserve/bin:$PATH PYTHONDONTWRITEBYTECODE=1 MPLCONFIGDIR=/tmp/matplotlib
# Others can reach the ports of a container: every request needs a key, which `normserve keys create` makes.
ENV NORMSERVE_AUTH=keys
USER 10001:10001
WORKDIR /data
ENTRYPOINT ["normserve"]
