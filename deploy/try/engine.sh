# The engine: podman with runc, its storage in a folder of its own, its API on a socket.

say() { printf 'try-images: %s\n' "$*"; }

need_programs() {
  for program in "$@"; do
    command -v "$program" >/dev/null || { say "$program is missing: see the head of this script" >&2; exit 1; }
  done
}

# crun refuses hybrid cgroups, and podman asks for more open files than an unprivileged machine
# grants: both made the first tries fail, so runc is named and the limits are those of this shell.
configure_engine() {
  mkdir -p "$work"
  limit=$(ulimit -Hn)
  cat > "$work/containers.conf" <<EOF
[containers]
default_ulimits = ["nofile=$limit:$limit", "nproc=$limit:$limit"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
[network]
network_backend = "netavark"
EOF
  cat > "$work/storage.conf" <<EOF
[storage]
driver = "overlay"
graphroot = "$work/storage"
runroot = "$work/run"
[storage.options.overlay]
mount_program = "/usr/bin/fuse-overlayfs"
EOF
  CONTAINERS_CONF=$work/containers.conf
  CONTAINERS_STORAGE_CONF=$work/storage.conf
  DOCKER_HOST=unix://$work/engine.sock
  export CONTAINERS_CONF CONTAINERS_STORAGE_CONF DOCKER_HOST
}
