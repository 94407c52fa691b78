# Runs the service on routes it must know and on one that it must not.
set -eu
settings=$(mktemp)
trap 'rm -f "$settings"' EXIT
printf 'scheme=http\nhost=unit.test\nmax_age=7\n' > "$settings"

expect() { # PATH WHAT
    SETTINGS=$settings sh service/bin/route "$1" | tr -d '\r' | grep -qx "$2" || {
        echo "route $1: expected '$2', got:" >&2
        SETTINGS=$settings sh service/bin/route "$1" >&2
        exit 1
    }
}

expect /docs 'HTTP/1.1 301'
expect /docs 'Location: http://unit.test/handbook/'
expect /docs 'Cache-Control: max-age=7'
expect /nowhere 'HTTP/1.1 404'
echo "::fact cases=4"
echo "4 cases passed"
