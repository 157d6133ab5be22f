#!/bin/sh
# Write a software bill of materials (CycloneDX, JSON) for each image: every Python package with version and hashes.
#
#     scripts/sbom.sh [FOLDER]     sbom/charloom-web.cdx.json and sbom/charloom-worker.cdx.json
#
# The Debian packages of an image are listed by `docker buildx build --sbom=true`. cyclonedx-py gets an environment of its
# own, .venv/sbom.
set -eu

cd "$(dirname "$0")/.."
tool='cyclonedx-bom==7.5.0'
python=${PYTHON:-.venv/bin/python}
home=.venv/sbom
out=${1:-sbom}
if ! "$home/bin/cyclonedx-py" --version 2>/dev/null | grep -qx "cyclonedx-py ${tool#*==}"; then
    echo "Installing $tool ..."
    "$python" -m venv --clear "$home"
    "$home/bin/python" -m pip install --quiet --no-input --disable-pip-version-check "$tool"
fi
mkdir -p "$out"
# The locks have all packages but torch.
torch=$(grep '^torch==' requirements.txt)
for part in web worker; do
    { [ $part = web ] && cat locks/web.txt || { cat locks/run.txt && echo "$torch"; }; } >"$home/$part.txt"
    PYTHONWARNINGS=ignore "$home/bin/cyclonedx-py" requirements --pyproject pyproject.toml --output-reproducible --validate \
        --of JSON --output-file "$out/charloom-$part.cdx.json" "$home/$part.txt"
    echo "$out/charloom-$part.cdx.json"
done
