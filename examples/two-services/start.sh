#!/bin/sh
# One service on the odd web servers, the other on the even ones: a user's requests go to both.
case $WEB_SERVER in
  *[13579]) exec ../../guests/flask/.venv/bin/gunicorn --bind "$HOST:$PORT" --threads 16 --graceful-timeout 1 shop:app ;;
  *) NODE_PATH=../../guests/express/node_modules exec node account.js ;;
esac
