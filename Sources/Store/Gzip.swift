import CZlib

/// gzip (RFC 1952) by the distribution's zlib: what is in the database can be read with zcat, without us.
enum Gzip {
    struct Failed: Error, CustomStringConvertible {
        var description: String
    }

    static func compressed(_ bytes: [UInt8]) throws -> [UInt8] {
        var stream = z_stream()
        guard autogit_gzip_begin(&stream) == Z_OK else { throw Failed(description: "zlib has no memory to compress with") }
        defer { deflateEnd(&stream) }
        // With this much room one call does it all.
        return try run(&stream, on: bytes, room: Int(deflateBound(&stream, UInt(bytes.count))), deflate)
    }

    /// - Parameter most: no more bytes come of it, whatever the data says.
    /// - Throws: when it is cut short, damaged, or more than `most`.
    static func decompressed(_ bytes: [UInt8], most: Int) throws -> [UInt8] {
        var stream = z_stream()
        guard autogit_gunzip_begin(&stream) == Z_OK else { throw Failed(description: "zlib has no memory to decompress with") }
        defer { inflateEnd(&stream) }
        return try run(&stream, on: bytes, room: most, inflate)
    }

    private static func run(
        _ stream: inout z_stream, on bytes: [UInt8], room: Int, _ step: (UnsafeMutablePointer<z_stream>, Int32) -> Int32
    ) throws -> [UInt8] {
        var input = bytes
        return try input.withUnsafeMutableBufferPointer { source in
            try [UInt8](unsafeUninitializedCapacity: room) { target, count in
                stream.next_in = source.baseAddress
                stream.avail_in = UInt32(source.count)
                stream.next_out = target.baseAddress
                stream.avail_out = UInt32(room)
                let result = step(&stream, Z_FINISH)
                count = room - Int(stream.avail_out)
                guard result == Z_STREAM_END else { throw Failed(description: "zlib ended with \(result): the data is damaged or longer than \(room) bytes") }
            }
        }
    }
}
