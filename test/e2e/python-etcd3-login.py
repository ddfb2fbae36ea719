"""A python3-etcd3 client that logs in with a password, before and after its token has ended.

python-etcd3-login.py PORT CA CERT KEY USER PASSWORD SECONDS     prints what comes of it
"""

import sys
import time

import etcd3
import grpc

_, port, ca_cert, cert_cert, cert_key, user, password, seconds = sys.argv


def connect():
    return etcd3.client(
        host='localhost',
        port=int(port),
        ca_cert=ca_cert,
        cert_cert=cert_cert,
        cert_key=cert_key,
        user=user,
        password=password,
        timeout=20,
    )


with connect() as client:
    client.put('a/python', 'x')
    print('before:', client.get('a/python')[0].decode())
    time.sleep(float(seconds))
    try:
        print('after:', client.get('a/python'))
    except grpc.RpcError as error:
        print('after:', error.code().name, error.details())

with connect() as client:
    print('anew:', client.get('a/python')[0].decode())
