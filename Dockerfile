# syntax is plain: no BuildKit feature is needed.
# One image with the five programs; docker-compose.yml says which one a container runs.

FROM debian:trixie-slim AS build
WORKDIR /src
# packages first: they change less often than the source
COPY gpttg .env.example ./
RUN ./gpttg install build
COPY . .
RUN ./gpttg build \
 && mkdir -p /out/bin \
 && for program in build/*/gpttg-*; do if [ -f "$program" ]; then strip -o "/out/bin/${program##*/}" "$program"; fi; done \
 && mv /out/bin/gpttg-sim /out/

FROM debian:trixie-slim AS base
# what is not needed by everybody, ffmpeg for example
ARG EXTRA_PACKAGES=
RUN apt-get update -qq \
 && apt-get install -y -qq --no-install-recommends ca-certificates tzdata libhiredis1.1.0 libcurl4t64 libcjson1 \
        libsqlite3-0 libcairo2 fontconfig fonts-dejavu-core libuv1t64 libmicrohttpd12t64 libmd4c0 libunistring5 libssl3t64 ${EXTRA_PACKAGES} \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --uid 10001 --user-group --home-dir /data --shell /usr/sbin/nologin gpttg \
 && install -d -o gpttg -g gpttg -m 700 /data
USER gpttg
WORKDIR /data

# the simulated Telegram and OpenAI, for trying the containers: docker build --target sim
FROM base AS sim
COPY --from=build /out/gpttg-sim /usr/local/bin/
ENV SIM_LISTEN=0.0.0.0:8484
CMD ["gpttg-sim"]

FROM base
COPY --from=build /src/prices.json /usr/share/gpttg/prices.json
COPY --from=build /out/bin/ /usr/local/bin/
# the ledger's file is the only thing that stays
ENV DB_PATH=/data/gpttg.db PRICES_FILE=/usr/share/gpttg/prices.json METRICS_LISTEN=0.0.0.0:9100
# /healthz answers 200 while the service works
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 \
    CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/9100 && printf 'GET /healthz HTTP/1.0\\r\\n\\r\\n' >&3 && read -r _ code _ <&3 && [ \"$code\" = 200 ]"]
