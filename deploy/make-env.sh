#!/bin/sh
# Writes .env for docker-compose.yml with fresh secrets; never overwrites one. Prints no secret:
# the keys for people are CLIENT_KEY and ADMIN_KEY in the file.
#   sh deploy/make-env.sh          for the Cerebras API; then set CEREBRAS_API_KEY in .env
#   sh deploy/make-env.sh --sim    for the simulator
set -eu
cd "$(dirname "$0")/.."
[ ! -e .env ] || { echo ".env is there already: remove it first to make new secrets" >&2; exit 1; }

random() { od -An -N 24 -tx1 /dev/urandom | tr -d ' \n'; }
digest() { printf %s "$1" | { sha256sum 2>/dev/null || shasum -a 256; } | cut -d ' ' -f 1; }
row() { printf '{"tenant":"%s","name":"%s","sha256":"%s","scopes":[%s]}' "$1" "$2" "$(digest "$3")" "$4"; }

client_key="lgk-$(random)"
admin_key="lgk-admin-$(random)"
service_key="lgk-service-$(random)"
upstream_url=https://api.cerebras.ai
cerebras_key=
if [ "${1:-}" = --sim ]; then
  upstream_url=http://sim:8081
  cerebras_key=csk-simulated
fi

umask 077
cat > .env <<EOF
# Made by deploy/make-env.sh; what each name means: deploy/env.example.
CEREBRAS_API_KEY=$cerebras_key
UPSTREAM_URL=$upstream_url
CLIENT_KEY=$client_key
ADMIN_KEY=$admin_key
SERVICE_KEY=$service_key
API_KEYS='[$(row default client "$client_key" '"complete","execute","loops"'),$(row default admin "$admin_key" '"admin"'),$(row default loop-worker "$service_key" '"worker"')]'
RUNNER_TOKEN=$(random)
CACHE_SECRET=$(random)
REDIS_PASSWORD=$(random)
GRAFANA_PASSWORD=$(random)
EOF
echo "wrote .env"
[ -n "$cerebras_key" ] || echo "now set CEREBRAS_API_KEY in it"
