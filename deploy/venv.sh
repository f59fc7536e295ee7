#!/usr/bin/env bash
# Makes the virtual environment, with a Python that the product is tried on (requires-python in pyproject.toml).
# Usage: deploy/venv.sh DIRECTORY [PYTHON]. Without PYTHON, the first fitting one of those below is taken.
#        deploy/venv.sh --fits PYTHON. Only says, by its exit status, whether the product is tried on that Python.
set -euo pipefail

directory=$1
asked=${2:-}
read -r first beyond < <(
  sed -n 's/^requires-python = ">=\([0-9.]*\),<\([0-9.]*\)"$/\1 \2/p' "$(dirname "$0")/../pyproject.toml"
)
last=${beyond%.*}.$((${beyond##*.} - 1))
tried="SyncKairos is tried on Python $first to $last"

version_of() {
  "$1" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])' 2>/dev/null
}

# older A B: whether version A stands before version B.
older() {
  [ "$1" != "$2" ] && [ "$(printf '%s\n' "$1" "$2" | sort -V | head -n 1)" = "$1" ]
}

if [ "$directory" = --fits ]; then
  version=$(version_of "$asked") && ! older "$version" "$first" && older "$version" "$beyond"
  exit
fi

newer_one=
found=
for python in ${asked:-python3 python3.13 python3.12 python3.11 /usr/bin/python3}; do
  version=$(version_of "$python") || continue
  found="$found, $python is $version"
  if older "$version" "$first"; then
    continue
  elif older "$version" "$beyond"; then
    chosen=$python
    break
  fi
  newer_one=${newer_one:-$python}
done

if [ -z "${chosen:-}" ] && [ -n "$newer_one" ]; then
  chosen=$newer_one
  echo "$tried. $chosen is $(version_of "$chosen"), which is newer: it may work, or a library may be missing." >&2
elif [ -z "${chosen:-}" ]; then
  echo "$tried, and finds none of these here${found:-"; there is no ${asked:-python3}"}." >&2
  echo "Install one, and name it if it is not in PATH: make PYTHON=/path/to/python3" >&2
  exit 1
fi

if ! "$chosen" -c 'import ensurepip, venv' 2>/dev/null; then
  echo "$chosen has no venv module. On Debian and Ubuntu: apt install python3-venv" >&2
  exit 1
fi
echo "Making $directory with $chosen ($(version_of "$chosen"))"
exec "$chosen" -m venv "$directory"
