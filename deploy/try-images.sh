#!/bin/sh
# Builds the images and runs the stack of docker-compose.yml with podman, on a machine without Docker
# and without a registry: Debian 12, root. Images that a registry would give are stood in for by
# Debian's own packages under the names that the files use, so every FROM and image line stays as it is.
#   apt-get install -y --no-install-recommends podman buildah runc netavark aardvark-dns iptables \
#     fuse-overlayfs docker-compose debootstrap
#   sh deploy/try-images.sh            all of it; ends 0 if every check held
#   sh deploy/try-images.sh --clean    removes what it has made
# Everything is kept under .loopgate/images; other images and containers of the machine are not touched.
# What it cannot tell: Docker Engine, Compose v2, Grafana, AppArmor. See README.md beside it.
set -eu
cd "$(dirname "$0")/.."
root=$(pwd)
work=$root/.loopgate/images
project=$work/project
# shellcheck source=deploy/try/engine.sh
. deploy/try/engine.sh

need_programs podman buildah runc docker-compose debootstrap
configure_engine
if [ "${1:-}" = --clean ]; then
  podman rm -af >/dev/null
  podman rmi -af >/dev/null
  podman volume prune -f >/dev/null
  rm -rf "$work"
  exit 0
fi

. deploy/try/images.sh
make_base_image
build_images
make_stand_ins

. deploy/try/stack.sh
trap stop_stack EXIT
start_stack
. deploy/try/checks.sh
run_checks
