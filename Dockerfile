# Weft over HTTP, with its state in the volume /var/lib/weft.
#
#   docker build -t weft .
#   docker run -p 127.0.0.1:8765:8765 -v weft:/var/lib/weft -e WEFT_TOKEN=... \
#     -e WEFT_HTTP_ALLOWED_HOSTS=127.0.0.1,localhost -e WEFT_HTTP_TRUSTED_PROXIES=172.17.0.1 weft
#
# The container binds an address that can be reached from outside of it, so Weft wants to know which
# hosts clients address, and which proxy ends TLS in front of it. The health check below asks as the
# first of those hosts, and without TLS.
FROM python:3.13-slim@sha256:7c61056e61ac89e852de05f3dc6fa51a6dd2181797bceed46aa725dd7cb2cd3b AS build
WORKDIR /build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
COPY requirements/image.txt requirements/
RUN python -m venv /opt/weft \
  && /opt/weft/bin/pip install --no-deps --require-hashes -r requirements/image.txt
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY src ./src
RUN /opt/weft/bin/pip install --no-deps --no-build-isolation .

FROM python:3.13-slim@sha256:7c61056e61ac89e852de05f3dc6fa51a6dd2181797bceed46aa725dd7cb2cd3b
COPY --from=build /opt/weft /opt/weft
RUN useradd --system --uid 10001 --home-dir /var/lib/weft --create-home weft
USER weft
ENV PATH=/opt/weft/bin:$PATH \
  PYTHONUNBUFFERED=1 \
  WEFT_HOME=/var/lib/weft \
  WEFT_HTTP_HOST=0.0.0.0 \
  WEFT_HTTP_PORT=8765
VOLUME /var/lib/weft
EXPOSE 8765
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s CMD \
  ["python", "-c", "import os, urllib.request as r; r.urlopen(r.Request('http://127.0.0.1:' + os.environ['WEFT_HTTP_PORT'] + '/ready', headers={'Host': os.environ['WEFT_HTTP_ALLOWED_HOSTS'].split(',')[0].strip()}), timeout=4)"]
ENTRYPOINT ["weft"]
CMD ["serve", "--http"]
