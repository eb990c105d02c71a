"""CRC32C of a batch: by libisal where it is installed (gigabytes a second), by a table otherwise (small logs only)."""

import ctypes
import ctypes.util

CHECK = 0xE3069283  # of b"123456789", from the definition of CRC-32C


def _table():
    table = []
    for n in range(256):
        for _ in range(8):
            n = n >> 1 ^ (0x82F63B78 if n & 1 else 0)
        table.append(n)
    return table


TABLE = _table()


def crc32c_table(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ TABLE[(crc ^ byte) & 255]
    return crc ^ 0xFFFFFFFF


def _isal():
    name = ctypes.util.find_library("isal")
    if name is None:
        return crc32c_table
    function = ctypes.CDLL(name).crc32_iscsi
    function.restype = ctypes.c_uint
    function.argtypes = [ctypes.c_char_p, ctypes.c_int, ctypes.c_uint]
    return lambda data: function(data, len(data), 0xFFFFFFFF) ^ 0xFFFFFFFF


crc32c = _isal()
assert crc32c(b"123456789") == CHECK
