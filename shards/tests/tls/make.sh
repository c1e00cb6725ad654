#!/bin/sh
# Makes the certificates of the webhook tests: a root of their own and a server named localhost.
# The keys protect nothing. Run in an empty directory, copy the three .der files.
set -e
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 36500 \
  -subj "/CN=Postrider test root" -keyout root.key -out root.pem \
  -addext "basicConstraints=critical,CA:TRUE" -addext "keyUsage=critical,keyCertSign"
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=localhost" \
  -keyout server.key -out server.csr
printf 'subjectAltName=DNS:localhost\nbasicConstraints=critical,CA:FALSE\nextendedKeyUsage=serverAuth\n' > server.ext
openssl x509 -req -in server.csr -CA root.pem -CAkey root.key -CAcreateserial -days 36500 \
  -extfile server.ext -out server.pem
openssl x509 -in root.pem -outform der -out root.der
openssl x509 -in server.pem -outform der -out server.der
openssl pkcs8 -topk8 -nocrypt -in server.key -outform der -out server.key.der
