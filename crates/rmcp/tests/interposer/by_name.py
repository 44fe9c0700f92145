"""Looks HIP's functions up by name, as ctypes does."""

import ctypes
import sys

hip = ctypes.CDLL(sys.argv[1])
made = ctypes.c_void_p()
status = hip.hipMalloc(ctypes.byref(made), ctypes.c_size_t(7654321))
print("allocated", status)
sys.exit(0 if status == 0 and made.value else 1)
