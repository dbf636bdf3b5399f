#!/usr/bin/env bash
# Usage: scripts/picture.sh
#
# Makes the picture of the dashboard, deploy/dashboard.png: of the example server with Redis, after
# five minutes of requests. Needs what scripts/test.sh needs.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

PICTURE=$PWD/deploy/dashboard.png scripts/test.sh --test dashboard_picture -- --ignored
ls -l deploy/dashboard.png
