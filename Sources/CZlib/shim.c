#include "CZlib.h"

// 15 is the largest window; 16 more are gzip's header and checksum in place of zlib's own (zlib.h).
int autogit_gzip_begin(z_stream *stream) { return deflateInit2(stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY); }
int autogit_gunzip_begin(z_stream *stream) { return inflateInit2(stream, 15 + 16); }
