#!/bin/sh
# the quotes of the file end up in the value
exec env $(cat rocm.env) python3 train.py
