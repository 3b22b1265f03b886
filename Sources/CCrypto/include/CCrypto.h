#pragma once
#include <stddef.h>

// HMAC with SHA-256 (RFC 2104, FIPS 180-4) by the distribution's libcrypto, into 32 bytes. Returns 1, or 0 when the library has no SHA-256.
int autogit_hmac_sha256(const void *key, size_t key_length, const void *data, size_t length, unsigned char *into);
