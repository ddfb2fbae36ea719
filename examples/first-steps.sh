#!/bin/sh
# What the store can do, with etcdctl: leasehold quickstart --once 'sh examples/first-steps.sh'
set -eu

echo '-- put, get, and what was there before'
etcdctl put service/web 10.0.0.1:80
etcdctl put service/web 10.0.0.2:80 --prev-kv
etcdctl put service/db 10.0.0.3:5432
etcdctl get service/ --prefix

echo '-- only if nobody was faster: create a key in a transaction'
etcdctl txn <<'TXN'
create("leader") = "0"

put leader me

get leader

TXN

echo '-- a key that goes away with its owner'
lease=$(etcdctl lease grant 60 | cut -d' ' -f2)
etcdctl put session/me here --lease="$lease"
etcdctl lease timetolive "$lease" --keys | sed "s/$lease/LEASE/; s/remaining([0-9]*s)/remaining(TIME)/"
etcdctl lease revoke "$lease" | sed "s/$lease/LEASE/"
etcdctl get session/me

echo '-- everything that ever happened to a key'
revision=$(etcdctl get service/web -w json | sed 's/.*"create_revision":\([0-9]*\).*/\1/')
timeout 2 etcdctl watch service/web --rev="$revision" || test $? -eq 124
