#!/bin/sh
# Make .venv and install what Charloom needs, once.
#
#     scripts/setup.sh run     what the service needs
#     scripts/setup.sh dev     the same, and what `make test` needs
#
# A stamp in .venv says what is installed; while it holds, nothing is done and nothing is said. It is written last, so an
# interrupted installation is taken up again. PYTHON=... chooses the interpreter.
set -eu

cd "$(dirname "$0")/.."
kind=${1:-run}
venv=.venv
log=$venv/setup.log
cpu_index=https://download.pytorch.org/whl/cpu
case $kind in
    run|dev) lock=locks/$kind.txt ;;
    *) echo "usage: scripts/setup.sh run|dev" >&2; exit 2 ;;
esac

say() { printf '%s\n' "$*"; }
give_up() { printf 'set-up: %s\n' "$*" >&2; exit 1; }

is_new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

choose_python() {
    for candidate in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do
        if command -v "$candidate" >/dev/null 2>&1 && is_new_enough "$candidate"; then
            printf '%s\n' "$candidate"
            return
        fi
    done
    found=$(${PYTHON:-python3} --version 2>&1) || found="no ${PYTHON:-python3}"
    give_up "Charloom needs Python 3.11 or newer, and found $found. Install one, or name it: make PYTHON=python3.12 ..."
}

# What is to be installed, by whom and where, as one number. The path is in it since a moved .venv must be linked anew.
fingerprint() {
    { cat requirements.txt "locks/$kind.txt" scripts/setup.sh pyproject.toml; pwd; "$1" --version; } | cksum
}

install() {
    if ! "$venv/bin/python" -m pip install --quiet --no-input --disable-pip-version-check --root-user-action ignore \
        "$@" >>"$log" 2>&1; then
        tail -n 15 "$log" >&2
        give_up "the installation failed; the whole story is in $log. Running the same command again goes on from here."
    fi
}

if [ -x "$venv/bin/python" ] && is_new_enough "$venv/bin/python" \
    && [ "$(cat "$venv/.installed-$kind" 2>/dev/null)" = "$(fingerprint "$venv/bin/python")" ]; then
    exit 0
fi

python=$(choose_python)
if ! is_new_enough "$venv/bin/python" || ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
    "$python" -c 'import ensurepip, venv' 2>/dev/null \
        || give_up "$python has no venv module. On Debian and Ubuntu: apt install python3-venv"
    say "Making $venv with $("$python" --version) ..."
    "$python" -m venv --clear "$venv" || give_up "$python -m venv failed."
fi
: >"$log"

say "Installing the packages of $lock ..."
install --require-hashes --requirement "$lock"

# torch comes last and by itself: its builds share a version but no hash. What it needs is there by now.
torch=$(grep '^torch==' requirements.txt)
if ! "$venv/bin/python" -c "import torch, sys; sys.exit(torch.__version__.split('+')[0] != '${torch#*==}')" 2>/dev/null; then
    # PyPI's build for Linux carries CUDA, gigabytes of it; PyTorch's own index has the one for the processor alone.
    if [ "$(uname -s)" != Linux ]; then
        install "$torch"
    elif "$venv/bin/python" -c "import urllib.request as u; u.urlopen('$cpu_index/torch/', timeout=5)" 2>>"$log"; then
        say "Installing $torch for the processor (some 200 MB, this once) ..."
        install --no-deps --index-url "$cpu_index" "$torch"
    else
        say "PyTorch's index of processor builds can't be reached; taking $torch from where pip looks by itself."
        install "$torch"
    fi
fi

# Charloom itself, as it is in this directory: a change of the code needs no installation.
install --no-deps --no-build-isolation --editable .

# The layer that training takes most of its time in; without a compiler it says what that means, and goes on.
"$venv/bin/python" -m worker.nn.kernel

fingerprint "$venv/bin/python" >"$venv/.installed-$kind"
if [ "$kind" = dev ]; then  # it holds all of the other
    kind=run
    fingerprint "$venv/bin/python" >"$venv/.installed-run"
fi
say "Set up. The command is $venv/bin/charloom"
