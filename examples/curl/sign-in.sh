#!/bin/sh
# Signs in with curl: sends a code, waits for its delivery, reads the code from standard input, shows the user and signs out.
# Usage: sign-in.sh <phone number>
set -eu

url=${LATCHKEY_URL:-http://localhost:4000}
if [ $# -ne 1 ] || [ -z "$1" ]; then
  echo 'Usage: sign-in.sh <phone number>, such as +14155550100' >&2
  exit 2
fi
number=$1

# Sends a request and prints the body. A problem is printed to standard error and ends the script.
request() {
  answer=$(curl --silent --show-error --fail-with-body "$@") || {
    status=$?
    printf '%s\n' "$answer" >&2
    return "$status"
  }
  printf '%s' "$answer"
}

post() {
  path=$1
  body=$2
  shift 2
  request "$url$path" -H 'Content-Type: application/json' -H "Idempotency-Key: $(key)" -d "$body" "$@"
}

# A new key for each request. The same key with the same request is safe to repeat.
key() {
  od -An -N16 -tx1 /dev/urandom | tr -d ' \n'
}

# Prints a text member of a JSON object. Use jq for anything larger.
member() {
  sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p"
}

files=$(mktemp -d)
trap 'rm -rf "$files"' EXIT

# Prints the tag of the last answer. With it, no change between two requests is missed.
etag() {
  grep -i '^etag:' "$files/headers" | cut -d ' ' -f 2 | tr -d '\r'
}

verification=$(post /v1/verifications "{\"phone_number\":\"$number\"}" -D "$files/headers")
id=$(printf '%s' "$verification" | member id)

while :; do
  tag=$(etag)
  state=$(request "$url/v1/verifications/$id?wait=20" -H "If-None-Match: $tag" -D "$files/headers")
  # An answer without news is empty.
  [ -n "$state" ] || { sleep 1; continue; }
  delivery=$(printf '%s' "$state" | sed -n 's/.*"delivery":{[^}]*"status":"\([a-z]*\)".*/\1/p')
  echo "delivery: $delivery"
  case $delivery in delivered | undelivered | failed) break ;; esac
done

printf 'code: '
read -r code
session=$(post "/v1/verifications/$id/check" "{\"code\":\"$code\"}")
token=$(printf '%s' "$session" | member token)

# The token is a secret: a file keeps it out of the list of processes.
printf 'Authorization: Bearer %s\n' "$token" >"$files/token"

echo
request "$url/v1/me" -H "@$files/token"
echo
request -X DELETE "$url/v1/session" -H "@$files/token"
echo 'signed out'
