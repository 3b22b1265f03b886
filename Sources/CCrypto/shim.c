#include "CCrypto.h"

#include <limits.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

int autogit_hmac_sha256(const void *key, size_t key_length, const void *data, size_t length, unsigned char *into) {
    unsigned int written = 0;
    if (key_length > INT_MAX) return 0;
    // An empty key still needs a pointer: HMAC takes none for the key of the call before.
    return HMAC(EVP_sha256(), key ? key : "", (int)key_length, data, length, into, &written) != NULL && written == 32;
}
