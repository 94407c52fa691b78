# Checks the service without running it: the shell scripts parse, every route is well formed and unique.
set -eu
bad=0
complain() { echo "$*" >&2; bad=1; }

for script in scripts/*.sh service/bin/*; do
    sh -n "$script" || complain "$script: does not parse"
done

line=0
seen=' '
while read -r from status target rest; do
    line=$((line + 1))
    case $from in ''|'#'*) continue ;; esac
    at="service/routes.txt:$line"
    case $from in /*) ;; *) complain "$at: path '$from' does not start with /" ;; esac
    case $status in 301|302|307|308) ;; *) complain "$at: status '$status' is no redirect" ;; esac
    case $target in /*) ;; *) complain "$at: target '$target' does not start with /" ;; esac
    [ -z "$rest" ] || complain "$at: '$rest' is too much"
    [ "$from" != "$target" ] || complain "$at: '$from' leads to itself"
    case $seen in *" $from "*) complain "$at: '$from' is there twice" ;; esac
    seen="$seen$from "
done < service/routes.txt

[ "$bad" = 0 ] && echo "routes and scripts are well formed"
exit "$bad"
