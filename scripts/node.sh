# Sourced by scripts/test, after venv.sh: `ensure_node_clients` puts the pinned packages of
# tests/e2e/node where Node finds them, once for each state of their lock. Expects $root.

node_clients_fit() {
    [ "$(cat node_modules/.installed 2>/dev/null)" = "$(sha256sum <package-lock.json)" ]
}

# The registry may stumble: npm tries again itself. No package may run code while it is installed.
install_node_clients() {
    say "Installing tests/e2e/node/node_modules (once) ..."
    npm ci --ignore-scripts --no-audit --no-fund --no-update-notifier --prefer-offline \
        --fetch-retries=5 --loglevel=error </dev/null >/dev/null || return 1
    sha256sum <package-lock.json >node_modules/.installed
}

ensure_node_clients() {
    command -v node >/dev/null && command -v npm >/dev/null || return 1
    (
        cd "$root/tests/e2e/node" || exit
        node_clients_fit && return
        flock 9 # two commands at once take turns
        node_clients_fit || install_node_clients 9>&-
    ) 9>"$root/.venv.lock"
}
