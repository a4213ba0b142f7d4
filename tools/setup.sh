# shellcheck shell=bash
# Sourced by ./test and ./demo: where to build, and what has to be installed first. Needs bash; defines functions and nothing else.

say() { printf '%s\n' "$*" >&2; }

# One build folder for all clones of a user, so that the some 380 third-party packages are compiled once (docs/decisions/0002-build.md).
choose_target_dir() {
    if [ -n "${CARGO_TARGET_DIR:-}" ]; then
        case $CARGO_TARGET_DIR in
            /*) ;;
            *) CARGO_TARGET_DIR=$PWD/$CARGO_TARGET_DIR ;;
        esac
        export CARGO_TARGET_DIR
        return
    fi
    local cache=${XDG_CACHE_HOME:-${HOME:+$HOME/.cache}}
    case $cache in
        /*) ;;
        *) return ;;
    esac
    if mkdir -p "$cache/headwater/target" 2>/dev/null && [ -w "$cache/headwater/target" ]; then
        export CARGO_TARGET_DIR="$cache/headwater/target"
    fi
}

# Debian packages, as root or through sudo; false, with what to do, when that is not possible.
apt_install() {
    local as_root=()
    if ! command -v apt-get >/dev/null; then
        say "please install by hand: $*"
        return 1
    fi
    if [ "$(id -u)" -ne 0 ]; then
        if ! command -v sudo >/dev/null; then
            say "please install as root: apt-get install $*"
            return 1
        fi
        as_root=(sudo)
        # Without a terminal nobody can type a password: fail instead of waiting.
        if ! { : </dev/tty; } 2>/dev/null; then as_root=(sudo -n); fi
    fi
    say "installing through apt: $*"
    "${as_root[@]}" apt-get update -q </dev/null >&2 &&
        "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@" </dev/null >&2 && return
    say "apt could not install it; please install by hand: $*"
    return 1
}

cargo_works() {
    if ! command -v cargo >/dev/null && [ -x "${CARGO_HOME:-${HOME:-}/.cargo}/bin/cargo" ]; then
        PATH="${CARGO_HOME:-${HOME:-}/.cargo}/bin:$PATH"
    fi
    if ! command -v cargo >/dev/null; then
        say "cargo is missing: install Rust (https://rustup.rs), then run this again"
        return 1
    fi
    if ! cargo --version >/dev/null; then
        say "cargo does not run: repair the Rust installation (\`rustup show\` tells its state), then run this again"
        return 1
    fi
}

# A compiler alone is not enough: a bare gcc package comes without the C library's headers.
c_compiles() {
    local folder status=0
    command -v cc >/dev/null || return 1
    folder=$(mktemp -d) || return 1
    printf '#include <stdlib.h>\nint main(void) { return 0; }\n' >"$folder/probe.c"
    cc "$folder/probe.c" -o "$folder/probe" >/dev/null 2>&1 || status=1
    rm -rf "$folder"
    return "$status"
}

# SQLite, zstd and the TLS primitives are C.
c_compiler_works() {
    c_compiles && return
    say "no working C compiler (cc) found"
    apt_install build-essential || return 1
    c_compiles && return
    say "cc still cannot build a small program: try \`cc\` by hand"
    return 1
}

# The tests of the store on Postgres start a server of their own. Without one they are skipped, and say so.
postgres_works() {
    local programs
    for programs in /usr/lib/postgresql/*/bin; do
        if [ -x "$programs/initdb" ] && [ -x "$programs/postgres" ]; then return; fi
    done
    command -v initdb >/dev/null && command -v postgres >/dev/null && return
    say "no Postgres server found"
    if apt_install postgresql; then return; fi
    say "the tests of the store on Postgres are skipped"
    return 1
}

python_works() {
    command -v python3 >/dev/null && return
    say "no python3 found"
    apt_install python3 && command -v python3 >/dev/null
}

# rustfmt and clippy belong to the default profile of rustup, but not to its minimal one.
rust_component_works() {
    local command=$1 component=$2
    cargo "$command" --version >/dev/null 2>&1 && return
    say "the Rust component $component is missing"
    if command -v rustup >/dev/null && rustup component add "$component" >&2; then
        cargo "$command" --version >/dev/null 2>&1 && return
    fi
    say "please install it: rustup component add $component"
    return 1
}
