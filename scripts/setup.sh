#!/bin/sh
# Create .venv and install what Charloom needs, once.
#
#     scripts/setup.sh run     what the service needs
#     scripts/setup.sh dev     the same, and what `make test` needs
#
# A file in .venv says what is installed; if that is up to date, the script does and prints nothing. The file is written
# last, so that an interrupted installation is continued. PYTHON=... chooses the interpreter.
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
give_up() { printf 'setup: %s\n' "$*" >&2; exit 1; }

is_new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

choose_python() {
    for candidate in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do
        if command -v "$candidate" >/dev/null 2>&1 && is_new_enough "$candidate"; then
            printf '%s\n' "$candidate"
            return
        fi
    done
    found=$(${PYTHON:-python3} --version 2>&1) || found="no ${PYTHON:-python3}"
    give_up "Charloom needs Python 3.11 or newer, but found $found. Install one, or name it: make PYTHON=python3.12 ..."
}

# A checksum of what is to be installed, by whom and where. It includes the path, since a moved .venv doesn't work.
fingerprint() {
    { cat requirements.txt "locks/$kind.txt" scripts/setup.sh pyproject.toml; pwd; "$1" --version; } | cksum
}

install() {
    if ! "$venv/bin/python" -m pip install --quiet --no-input --disable-pip-version-check --root-user-action ignore \
        "$@" >>"$log" 2>&1; then
        tail -n 15 "$log" >&2
        give_up "the installation failed; $log has the whole output. Run the same command again to continue."
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
    say "Creating $venv with $("$python" --version) ..."
    "$python" -m venv --clear "$venv" || give_up "$python -m venv failed."
fi
: >"$log"

say "Installing the packages of $lock ..."
install --require-hashes --requirement "$lock"

# torch comes last and separately: its builds share a version but no hash. Its dependencies are installed by now.
torch=$(grep '^torch==' requirements.txt)
if ! "$venv/bin/python" -c "import torch, sys; sys.exit(torch.__version__.split('+')[0] != '${torch#*==}')" 2>/dev/null; then
    # PyPI's build for Linux includes gigabytes of CUDA; PyTorch's own index has the CPU build.
    if [ "$(uname -s)" != Linux ]; then
        install "$torch"
    elif "$venv/bin/python" -c "import urllib.request as u; u.urlopen('$cpu_index/torch/', timeout=5)" 2>>"$log"; then
        say "Installing the CPU build of $torch (some 200 MB, only once) ..."
        install --no-deps --index-url "$cpu_index" "$torch"
    else
        say "PyTorch's index of CPU builds can't be reached; installing $torch from pip's default index."
        install "$torch"
    fi
fi

# Charloom itself, editable: changed code needs no new installation.
install --no-deps --no-build-isolation --editable .

# Compile the LSTM layer, which training spends most of its time in. Exit code 3: no compiler of this machine can; one comes
# as a package then. Without that, torch's own layer is used.
status=0
compiled=$("$venv/bin/python" -m worker.nn.kernel) || status=$?
if [ "$status" = 3 ]; then
    say "Installing a C compiler into $venv, since this machine has none that works (some 90 MB, only once) ..."
    if (install --require-hashes --requirement locks/compiler.txt) 2>/dev/null; then
        compiled=$("$venv/bin/python" -m worker.nn.kernel) || :
    fi
fi
say "$compiled"

fingerprint "$venv/bin/python" >"$venv/.installed-$kind"
if [ "$kind" = dev ]; then  # it includes the other
    kind=run
    fingerprint "$venv/bin/python" >"$venv/.installed-run"
fi
say "Installed. The command is $venv/bin/charloom"
