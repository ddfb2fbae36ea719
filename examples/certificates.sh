#!/bin/sh
# Two authorities and the certificates that member.yaml names, for a cluster on one machine. Run in an empty folder.
set -eu
leasehold=${LEASEHOLD:-leasehold}

"$leasehold" pki init --dir client-authority --common-name 'example clients'
"$leasehold" pki init --dir peer-authority --common-name 'example members'
for member in m1 m2 m3; do
  for port in clients peers; do
    "$leasehold" pki issue --dir "${port%s}-authority" --profile member --name "$member-$port" --common-name "$member" \
      --dns localhost --ip 127.0.0.1 --out certs
  done
done
"$leasehold" pki issue --dir client-authority --profile client --name app --out certs
