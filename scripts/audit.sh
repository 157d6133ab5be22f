#!/bin/sh
# Look up every pinned package, what they bring along included, among the known vulnerabilities.
#
#     scripts/audit.sh     ends with 0: none known; 1: some are, listed; 2: it couldn't be looked up
#
# The advisories come from PyPI's JSON, one question a package; a mirror that only serves packages has none. pip-audit
# goes into an environment of its own, .venv/audit, since it brings a good deal along.
set -eu

cd "$(dirname "$0")/.."
tool='pip-audit==2.10.1'
python=.venv/bin/python
audit=.venv/audit
one=$(sed -n 's,^flask==,flask/,p' requirements.txt)
advisories=https://pypi.org/pypi/$one/json

ask="import json, urllib.request as u; json.load(u.urlopen('$advisories', timeout=10))['vulnerabilities']"
if ! "$python" -c "$ask" 2>/dev/null; then
    echo "audit: $advisories can't be read from here. Nothing was looked up." >&2
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
