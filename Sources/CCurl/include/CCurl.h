#pragma once
#include <curl/curl.h>

// curl_easy_setopt and curl_easy_getinfo are variadic, which Swift can't call: one typed shim for each kind.
CURLcode autogit_curl_setopt_long(CURL *handle, CURLoption option, long value);
CURLcode autogit_curl_setopt_string(CURL *handle, CURLoption option, const char *value);
CURLcode autogit_curl_setopt_pointer(CURL *handle, CURLoption option, const void *value);
// curl keeps a copy of the bytes.
CURLcode autogit_curl_setopt_blob(CURL *handle, CURLoption option, const void *bytes, size_t length);
CURLcode autogit_curl_setopt_callback(
    CURL *handle, CURLoption option, size_t (*value)(char *, size_t, size_t, void *));
CURLcode autogit_curl_response_code(CURL *handle, long *code);
CURLcode autogit_curl_private(CURL *handle, void **pointer);
// The message's union isn't imported either.
CURLcode autogit_curl_message_result(const CURLMsg *message);
