# Asks what is live in the environment for every route, as a user would.
#
# PIPELINE_LOCATION is the directory of the live release: app/ as it was packed, config/ as it was rendered.
set -eu
live=${PIPELINE_LOCATION:?}
SETTINGS=$live/config/settings.conf
export SETTINGS
. "$SETTINGS"

count=0
while read -r from status target rest; do
    case $from in ''|'#'*) continue ;; esac
    answer=$("$live/app/bin/route" "$from" | tr -d '\r')
    expected="Location: $scheme://$host$target"
    case $answer in
        "HTTP/1.1 $status"*"$expected"*) count=$((count + 1)) ;;
        *) printf '%s: expected %s and "%s", got:\n%s\n' "$from" "$status" "$expected" "$answer" >&2; exit 1 ;;
    esac
done < "$live/app/routes.txt"
echo "::fact routes=$count"
echo "$count routes answer with redirects to $host"
