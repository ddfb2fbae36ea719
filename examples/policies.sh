#!/bin/sh
# Who may do what, from a file: leasehold quickstart --once 'sh examples/policies.sh'
set -eu
here=$(dirname "$0")
leasehold=$(realpath "${LEASEHOLD:-$here/../bin/leasehold}")
cd "$here/../policies"

echo '-- ask the file before it counts'
"$leasehold" policy check patroni.yaml
"$leasehold" policy test patroni.yaml

echo '-- make the cluster what it says'
"$leasehold" policy apply patroni.yaml
for user in root patroni-main; do
  echo "password-of-$user" | etcdctl user passwd "$user" --interactive=false
done
etcdctl auth enable

echo '-- one may what it may'
etcdctl --user patroni-main:password-of-patroni-main put /service/main/leader pg1
etcdctl --user patroni-main:password-of-patroni-main put /service/reports/leader pg1 2>/dev/null || echo 'but not that'
"$leasehold" policy explain --user root:password-of-root patroni-main write /service/reports/leader || test $? -eq 2

echo '-- nothing has changed since'
"$leasehold" policy diff --user root:password-of-root patroni.yaml --prune && echo 'no difference'
etcdctl --user root:password-of-root auth disable
