# Puts a copy of the service on trial and asks it for every route. `.trial` is left behind: the clean-up removes it.
set -eu
rm -rf .trial
mkdir .trial
cp -R service .trial/app
printf 'scheme=http\nhost=trial.test\nmax_age=0\n' > .trial/settings.conf

count=0
while read -r from status target rest; do
    case $from in ''|'#'*) continue ;; esac
    answer=$(SETTINGS=.trial/settings.conf sh .trial/app/bin/route "$from" | tr -d '\r')
    case $answer in
        "HTTP/1.1 $status"*"Location: http://trial.test$target"*) count=$((count + 1)) ;;
        *) printf '%s: expected %s, got:\n%s\n' "$from" "$status" "$answer" >&2; exit 1 ;;
    esac
done < .trial/app/routes.txt
echo "::fact routes=$count"
echo "$count routes answer on trial"
