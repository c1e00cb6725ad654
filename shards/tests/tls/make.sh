#!/bin/sh
# Makes the certificates of the tests: a root of their own, a server named localhost and
# a client; and a second root that nobody trusts. The keys protect nothing. Run in
# an empty directory, then copy the .der, .pem and .key files that stand here.
set -e
root() {
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 36500 \
    -subj "/CN=Postrider test $1" -keyout "$1.key" -out "$1.pem" \
    -addext "basicConstraints=critical,CA:TRUE" -addext "keyUsage=critical,keyCertSign"
}
leaf() {
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$2" \
    -keyout "$1.sec1" -out "$1.csr"
  openssl pkcs8 -topk8 -nocrypt -in "$1.sec1" -out "$1.key"
  printf 'subjectAltName=%s\nbasicConstraints=critical,CA:FALSE\nextendedKeyUsage=%s\n' \
    "$3" "$4" > "$1.ext"
  openssl x509 -req -in "$1.csr" -CA root.pem -CAkey root.key -CAcreateserial -days 36500 \
    -extfile "$1.ext" -out "$1.pem"
}
root root
root stranger
leaf server localhost DNS:localhost serverAuth
leaf client customer DNS:customer clientAuth
openssl x509 -in root.pem -outform der -out root.der
openssl x509 -in server.pem -outform der -out server.der
openssl pkcs8 -topk8 -nocrypt -in server.key -outform der -out server.key.der
