# Sourced by the scripts beside it: `ensure_venv run|dev` makes $root/.venv fit for one of the
# locks in requirements/ and does nothing when it already is. Expects $root.

say() { printf '%s\n' "$*" >&2; }

fail() {
    say "$*"
    exit 1
}

# A Python fit to be used: it runs (a shim that exists may not), is 3.12 or 3.13, can make a venv.
python_works() {
    "$1" -c '
import sys, ensurepip, venv
sys.exit(not (3, 12) <= sys.version_info[:2] <= (3, 13))
' >/dev/null 2>&1
}

find_python() {
    pyenv_root=${PYENV_ROOT:-${HOME:-/root}/.pyenv}
    for candidate in python3.13 python3.12 python3 "$pyenv_root"/versions/3.1[23]*/bin/python; do
        if python_works "$candidate"; then
            printf '%s\n' "$candidate"
            return
        fi
    done
    return 1
}

# What the lock and the installed project depend on, as one hash.
fingerprint() {
    (cd "$root" && { pwd && cat "requirements/$1.txt" setup.cfg pyproject.toml; } | sha256sum)
}

venv_fits() {
    "$root/.venv/bin/python" -c '' 2>/dev/null &&
        [ "$(cat "$root/.venv/.installed-$1" 2>/dev/null)" = "$(fingerprint "$1")" ]
}

pip() {
    "$root/.venv/bin/python" -m pip --disable-pip-version-check --quiet --no-input "$@"
}

# A venv whose folder was moved has the old path in its scripts: it is made anew.
venv_is_here() {
    grep -qF "$root/.venv" "$root/.venv/pyvenv.cfg" 2>/dev/null && pip --version >/dev/null 2>&1
}

install_lock() {
    python=$(find_python) ||
        fail "No Python 3.12 or 3.13 that runs was found: install one" \
            "(apt-get install python3.12-venv, or pyenv install 3.13)."
    say "Installing into .venv (once; takes a minute) ..."
    venv_is_here || "$python" -m venv --clear "$root/.venv"
    # The lock is complete and hashed, so nothing is left to resolve.
    pip install --no-deps --require-hashes -r "$root/requirements/$1.txt"
    pip install --no-deps --no-build-isolation --editable "$root"
    fingerprint "$1" >"$root/.venv/.installed-$1"
}

# `run` is part of `dev`, so a venv for tests does for running too.
ensure_venv() {
    venv_fits "$1" && return
    [ "$1" = run ] && venv_fits dev && return
    (
        flock 9 # two commands at once take turns
        venv_fits "$1" || install_lock "$1" 9>&-
    ) 9>"$root/.venv.lock"
}

# `ensure_debian PACKAGE...` installs what is missing, where it may: as root, with apt.
ensure_debian() {
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        say "Missing here: $*. To have it: apt-get install $*"
        return 1
    fi
    say "Installing Debian packages: $*"
    export DEBIAN_FRONTEND=noninteractive
    { apt-get update -qq && apt-get install -qq -y --no-install-recommends "$@"; } </dev/null >&2 ||
        { say "Could not be installed: $*"; return 1; }
}

# mongod needs it, and a small Debian has it not.
ensure_libcurl() {
    [ -n "${MONGODB_URI:-}" ] && return
    for library in /lib/*/libcurl.so.4 /usr/lib/*/libcurl.so.4 /usr/lib*/libcurl.so.4; do
        [ -e "$library" ] && return
    done
    ensure_debian libcurl4 || true
}
