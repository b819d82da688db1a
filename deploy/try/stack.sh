# The stack: docker-compose against podman's API, without Grafana, with the simulator upstream.

PARTS="gateway worker redis-cache redis-queue prometheus sim"
engine=
gateway_port=${TRY_GATEWAY_PORT:-38080}
prometheus_port=${TRY_PROMETHEUS_PORT:-39090}

# The files of the project in a folder of their own, so that an .env of the user's is left alone.
start_stack() {
  rm -rf "$project"
  mkdir -p "$project"
  cp -r docker-compose.yml deploy "$project"/
  sh "$project/deploy/make-env.sh" --sim >/dev/null
  printf 'GATEWAY_PORT=%s\nPROMETHEUS_PORT=%s\nSIM_TOKENS_PER_SECOND=0\n' "$gateway_port" "$prometheus_port" >> "$project/.env"
  # shellcheck disable=SC1091
  . "$project/.env"
  podman system service --time 0 "$DOCKER_HOST" >"$work/engine.log" 2>&1 &
  engine=$!
  wait_for "the engine" curl -sf --unix-socket "$work/engine.sock" http://engine/_ping
  # shellcheck disable=SC2086
  compose up -d --no-build $PARTS >"$work/up.log" 2>&1 || { tail -20 "$work/up.log"; exit 1; }
  start_runner
}

# The runner with the options of docker-compose.yml given by hand: Compose hands a seccomp profile on
# as its text, as Docker's API wants it, and podman's API takes a path.
start_runner() {
  podman run -d --name loopgate-try_runner_1 --network loopgate-try_runners --restart unless-stopped \
    --read-only --cap-drop ALL --tmpfs /tmp:size=512m,mode=1777 --memory 4g --cpus 2 --pids-limit 2048 \
    --security-opt no-new-privileges --security-opt systempaths=unconfined \
    --security-opt seccomp="$root/deploy/seccomp/sandbox-runner.json" \
    -e LOOPGATE_GATEWAY_URL=http://gateway:8080 -e LOOPGATE_RUNNER_TOKEN="$RUNNER_TOKEN" \
    docker.io/loopgate/sandbox-runner:0.1.0 >"$work/runner.log" 2>&1 || { tail -5 "$work/runner.log"; exit 1; }
}

stop_stack() {
  podman rm -f loopgate-try_runner_1 >/dev/null 2>&1 || true
  compose down --volumes --timeout 20 >"$work/down.log" 2>&1 || true
  # podman 4.3 sometimes still counts a container that is gone.
  for network in front data runners; do podman network rm -f "loopgate-try_$network" >/dev/null 2>&1 || true; done
  [ -z "$engine" ] || kill "$engine"
}

compose() {
  docker-compose --project-directory "$project" -f "$project/docker-compose.yml" -p loopgate-try --profile sim "$@"
}

# wait_for <what> <command...>: runs it until it succeeds, for at most a minute.
wait_for() {
  awaited=$1
  shift
  tries=0
  until "$@" >/dev/null 2>&1; do
    tries=$((tries + 1))
    [ "$tries" -lt 120 ] || { say "$awaited: not within a minute" >&2; return 1; }
    sleep 0.5
  done
}
