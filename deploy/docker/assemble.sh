#!/bin/sh
# Usage: assemble.sh <package> <folder>. Installs what the package needs in production and copies
# that much of the workspace to the folder, in the same layout: Node runs .ts files only outside
# node_modules, so `pnpm deploy`, which copies workspace packages into it, is no use here.
set -eu
package=$1
target=$2
pnpm="npx -y pnpm@12.21.0"
# What `pnpm fetch` linked is for every package; only this one's part is wanted.
rm -rf node_modules
$pnpm install --prod --frozen-lockfile --offline --filter-prod "$package..." --reporter=append-only
mkdir -p "$target"
root=$(pwd)
cp -a package.json node_modules "$target"/
$pnpm --filter-prod "$package..." list --depth -1 --parseable | while read -r folder; do
  [ "$folder" != "$root" ] || continue
  mkdir -p "$target/${folder#"$root"/}"
  cp -a "$folder/." "$target/${folder#"$root"/}/"
done
