#pragma once
#include <zlib.h>

// deflateInit2 and inflateInit2 are macros with the library's version and the struct's size in them, which Swift can't call.
int autogit_gzip_begin(z_stream *stream);
int autogit_gunzip_begin(z_stream *stream);
