#!/usr/bin/env bash
# Rolls the settings out. Run by the pipeline, after ci/check.sh.
set -euo pipefail
environment="${1:?staging or production}"
test -n "${PIPELINE_ID:-}" || { echo "only the pipeline rolls out" >&2; exit 2; }
for machine in $(cat "/etc/relay/machines.${environment}"); do
  scp "deploy/${environment}.toml" "${machine}:/etc/relay/relay.toml"
  ssh "${machine}" systemctl reload relay
done
