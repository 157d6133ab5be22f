#!/bin/sh
# Look for known vulnerabilities of all pinned packages, indirect dependencies included.
#
#     scripts/audit.sh     exit code 0: none; 1: the listed ones; 2: the look-up failed
#
# The advisories come from PyPI's JSON API, one request per package; a mirror that only serves packages has none. pip-audit
# has many dependencies, so it is installed into an environment of its own, .venv/audit.
set -eu

cd "$(dirname "$0")/.."
tool='pip-audit==2.10.1'
python=.venv/bin/python
audit=.venv/audit
one=$(sed -n 's,^flask==,flask/,p' requirements.txt)
advisories=https://pypi.org/pypi/$one/json

ask="import json, urllib.request as u; json.load(u.urlopen('$advisories', timeout=10))['vulnerabilities']"
if ! "$python" -c "$ask" 2>/dev/null; then
    echo "audit: $advisories can't be read from here. No package was checked." >&2
    exit 2
fi
if ! "$audit/bin/pip-audit" --version 2>/dev/null | grep -qx "pip-audit ${tool#*==}"; then
    echo "Installing $tool ..."
    "$python" -m venv --clear "$audit"
    "$audit/bin/python" -m pip install --quiet --no-input --disable-pip-version-check "$tool" || exit 2
fi
# Every version is pinned, so nothing is resolved or installed. A package that isn't found counts as a finding. The lock
# has all packages but torch; without hashes, torch can be added to it.
{ sed -n 's/^\([A-Za-z][^ ;]*==[^ ;]*\).*/\1/p' locks/dev.txt; grep '^torch==' requirements.txt; } >"$audit/pins.txt"
exec "$audit/bin/pip-audit" --strict --no-deps --disable-pip --progress-spinner off --requirement "$audit/pins.txt"
