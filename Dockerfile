# The one image of all components: `nauti <component>`.
#   npm ci && npm run build && docker build -t nauti .
# BASE must be Debian 13 (OVS 3.5, OVN 25.03) with Node 24 at /usr/local/bin/node. Packages that it has are not
# installed again, so that a base that has them all needs no network.
ARG BASE=docker.io/library/node:24-trixie-slim
FROM ${BASE}

RUN set -eu; \
    missing=; \
    need() { command -v "$1" >/dev/null 2>&1 || missing="$missing $2"; }; \
    need ip iproute2; need nft nftables; need conntrack conntrack; need ethtool ethtool; \
    need wg wireguard-tools; need wireguard-go wireguard-go; \
    need ovs-vswitchd openvswitch-switch; need ovn-northd ovn-central; need ovn-controller ovn-host; \
    if [ -n "$missing" ]; then \
      apt-get update; \
      DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends $missing; \
      rm -rf /var/lib/apt/lists/* /var/log/apt /var/log/dpkg.log /var/cache/debconf/*-old; \
    fi

COPY LICENSE /usr/share/doc/nauti/LICENSE
COPY build/nauti.sh /usr/local/bin/nauti
COPY dist /usr/local/lib/nauti
COPY ovn-node/scripts /usr/local/lib/nauti/ovn

ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="nauti" \
      org.opencontainers.image.description="Multi-cluster service discovery, DNS and secondary network for Kubernetes" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"

ENV NODE_ENV=production
# A number, so that runAsNonRoot can be checked. Node agents are started as root by their pods.
USER 65532:65532
WORKDIR /
ENTRYPOINT ["/usr/local/bin/nauti"]
CMD ["--help"]
