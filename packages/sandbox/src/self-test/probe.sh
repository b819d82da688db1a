# What a program finds in its sandbox, as JSON. Arguments: the host's network namespace, then paths to hide.
host_network=$1
shift
quoted() { # its lines as a JSON list of strings, which hold nothing to be escaped
  list=
  while read -r line; do list="$list${list:+,}\"$line\""; done
  echo "[$list]"
}
numbers() { # of the paths that exist, their last parts in order
  list=$(for path in "$@"; do [ -e "$path" ] && echo "${path##*/}"; done | sort -n | tr '\n' ',')
  echo "[${list%,}]"
}
attempt() { # whether a file can be opened for writing
  if true 2> /dev/null >> "$1"; then echo allowed; else echo refused; fi
}
status() {
  sed -n "s/^$1:[[:space:]]*//p" /proc/self/status
}
# Looked at before any $(...): while one runs, the shell has a pipe to it, of two ends until it gets to close its own.
open=
for path in "/proc/$$/fd/"*; do [ -e "$path" ] && open="$open $path"; done
# shellcheck disable=SC2086 # names of numbers
descriptors=$(numbers $open)
processes=$(numbers /proc/[0-9]*)
init=$(tr -d '\000' < /proc/1/environ | wc -c)
environment=$(tr '\000' '\n' < /proc/$$/environ | sed 's/=.*//' | quoted)
visible=$(for path in "$@"; do { [ -e "$path" ] || [ -L "$path" ]; } && echo "$path"; done | quoted)
network=separate
[ "$(readlink /proc/self/ns/net)" = "$host_network" ] && network=allowed
[ "$(grep -c : /proc/net/dev)" = 1 ] || network=allowed
cat << REPORT
{
  "initEnvironment": "$([ "$init" = 0 ] || echo "$init characters")",
  "environment": $environment,
  "descriptors": $descriptors,
  "corePattern": "$(attempt /proc/sys/kernel/core_pattern)",
  "dropCaches": "$(attempt /proc/sys/vm/drop_caches)",
  "rootWrite": "$(attempt /probe)",
  "network": "$network",
  "processes": $processes,
  "visible": $visible,
  "capabilities": "$(status CapEff)",
  "seccomp": "$(status Seccomp)",
  "noNewPrivileges": "$(status NoNewPrivs)"
}
REPORT
