# Shared by the scripts; sourced, never run.

# Where tools that are not part of Debian or Rust are kept.
TOOLS="$PWD/target/tools"
CARGO_DENY="$TOOLS/cargo-deny"
JARI_NATS_SERVER="$TOOLS/nats-server"
export CARGO_DENY JARI_NATS_SERVER

# step NAME COMMAND...: runs a step and says how long it took.
step() {
    local name=$1 started=$SECONDS
    shift
    echo "== $name"
    "$@"
    echo "-- $name: $((SECONDS - started)) s"
}

# need COMMAND PACKAGE...: installs Debian packages if the command is missing.
need() {
    local command=$1
    shift
    if command -v "$command" >/dev/null; then return; fi
    local sudo=""
    [ "$(id -u)" = 0 ] || sudo=sudo
    if [ -z "${APT_UPDATED:-}" ]; then
        $sudo apt-get update -qq
        APT_UPDATED=1
    fi
    DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}
